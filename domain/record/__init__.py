"""What travels on the log: records, the topic catalogue, codecs."""
