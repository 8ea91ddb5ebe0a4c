"""The arithmetic of the learning core, in torch alone. Contract: docs/numerics.md; each function has a golden test."""
