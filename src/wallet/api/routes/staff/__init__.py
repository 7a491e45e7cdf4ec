"""The staff side of the API: everything under /admin, for the operator's own people."""
