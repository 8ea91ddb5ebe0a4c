"""Report on a preference model, on pairs that people have compared."""

import sys

from rl4lms.cli.reward_modeling import evaluate_preference

if __name__ == "__main__":
    sys.exit(evaluate_preference())
