"""The executor: commands in, one event record per step out, then its effects."""
