"""The scheduler: what fires triggers by the clock. Start at `scheduler.py`."""
