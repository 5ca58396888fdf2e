"""The read side: from the log to read models, and the queries on them."""
