"""`python -m rl4lms`: main.py with the commands about finished runs that came after it.

The text of main.py is part of what every result depends on, since every stage is started by it: with one more line in
it, all recorded results would be stale. A command that only reads finished runs is named here.
"""

from rl4lms.cli.main import COMMANDS, MODULES, build_parser, main

__all__ = ["COMMANDS", "MODULES", "build_parser", "main"]

COMMANDS["compare"] = (
    "compare",
    "say what differs between two runs, or methods of several seeds, and which differences are real",
)
COMMANDS["plot"] = ("plot", "draw the learning curves of runs, several seeds as one line with a band")
MODULES |= COMMANDS
