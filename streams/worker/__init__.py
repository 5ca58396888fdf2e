"""The worker: task requests in; logs, metrics and results out."""
