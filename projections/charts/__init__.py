"""What charts of dashboards ask of the read models."""
