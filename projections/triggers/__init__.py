"""Read model of triggers: where each one stands."""
