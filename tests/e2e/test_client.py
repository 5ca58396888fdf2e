"""kestrapy, the public client of the API, unchanged."""
