"""Recorded commands stepped again: whether a log is what its commands lead to."""
