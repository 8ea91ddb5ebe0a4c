"""The published import paths of the policies."""
