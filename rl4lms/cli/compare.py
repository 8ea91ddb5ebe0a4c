"""`compare`: two finished runs."""
