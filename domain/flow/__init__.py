"""The flow language: what a flow is, how its source is read, checked and explained."""
