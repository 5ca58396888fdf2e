"""Triggers: what starts executions by the clock."""
