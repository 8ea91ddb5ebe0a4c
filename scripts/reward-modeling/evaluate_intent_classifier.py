"""Report on a classifier of dialogue acts, on local rows of DailyDialog."""

import sys

from rl4lms.cli.reward_modeling import evaluate_classifier

if __name__ == "__main__":
    sys.exit(evaluate_classifier("intent"))
