"""The tasks of the benchmark, one folder each: all that generic code asks about a task stands in its folder."""
