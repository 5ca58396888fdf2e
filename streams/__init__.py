"""The write side: executor, worker and scheduler handlers, driven by the log."""
