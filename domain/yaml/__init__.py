"""YAML in: typed by the flow language's own table, with the place of everything."""
