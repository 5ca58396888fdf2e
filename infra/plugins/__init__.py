"""Task types: one file per family, listed in `catalogue`."""
