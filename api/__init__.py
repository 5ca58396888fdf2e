"""The HTTP edge: the REST API."""
