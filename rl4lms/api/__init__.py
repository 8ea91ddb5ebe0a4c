"""The Python front door: what `import rl4lms` gives."""
