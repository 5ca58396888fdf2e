"""Read model of flows: the latest revision of each, its source searchable."""
