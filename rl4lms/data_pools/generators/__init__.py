"""What the seeded generators of the tasks share: English inflection, a grammar, names, and who owns which content.

Generated rows stand in for the data sets where there is no network: a model trained from scratch in a minute can learn
their text, and cannot exhaust it. A row is a pure function of (task, split, seed, position); no content of one split
occurs in another, whatever the seed.
"""
