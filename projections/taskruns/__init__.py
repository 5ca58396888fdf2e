"""Read model of task runs: one document each, so that no step rewrites the others."""
