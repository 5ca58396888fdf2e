"""What goes out: domain values as the JSON that clients of the API know."""
