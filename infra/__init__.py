"""The outside world: adapters, task types, command line, wiring."""
