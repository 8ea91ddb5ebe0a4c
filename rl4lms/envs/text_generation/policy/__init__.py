"""Published faces of the policies."""
