"""The commands of `python -m rl4lms` besides the stages: name -> (module of this package, what it does).

main.py reads this table by name and not by an import, for what main.py imports is part of what every result depends on:
a new command leaves all results as fresh as they are.
"""

COMMANDS = {
    "compare": (
        "compare",
        "say what differs between runs, or methods of several seeds, and which differences are real",
    ),
    "plot": ("plot", "draw the learning curves of runs, several seeds as one line with a band"),
    "schema": ("schema", "print every key of a configuration: what it takes, its default, what it means"),
    "crowd": ("crowd", "ask people about generations: pages out, answers in"),
    "init": ("init", "write a grid of one's own, the pipeline and its parameters, into a folder"),
    "verify": ("verify", "check a released suite's digests and tables, and make cells of it again"),
    "pool": ("pool", "make the tables and statistics of several released suites together, as of one"),
    "recipes": ("recipes", "write what the jobs of a suite depend on besides their input files, for DVC"),
}
