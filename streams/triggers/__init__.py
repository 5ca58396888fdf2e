"""What executions start by changing their state: flow triggers. Start at `watcher.py`."""
