"""The heart: the execution state machine. Start reading at `machine.py`."""
