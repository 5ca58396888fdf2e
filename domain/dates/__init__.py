"""Dates as Java's `java.time` reads, writes and shifts them."""
