"""Read model of log lines."""
