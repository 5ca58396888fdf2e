"""Read model of measurements."""
