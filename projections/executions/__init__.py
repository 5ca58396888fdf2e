"""Read model of executions: what lists and searches show, without task runs."""
