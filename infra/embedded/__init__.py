"""The one-process engine: its log, its read models, its runner."""
