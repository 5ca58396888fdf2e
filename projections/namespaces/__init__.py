"""Namespaces exist because flows do: derived from the flows' documents, no index of their own."""
