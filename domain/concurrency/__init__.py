"""The limit of executions per flow: who holds a slot, who waits for one. Start at `slots.py`."""
