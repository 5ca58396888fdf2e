"""Dashboards: YAML that says which charts to draw."""
