"""The arithmetic of the learning core. It depends only on torch. docs/numerics.md says what each function must do."""
