"""Internal storage and what is kept in it."""
