"""Report on a classifier of sentiment, on local rows of IMDB."""

import sys

from rl4lms.cli.reward_modeling import evaluate_classifier

if __name__ == "__main__":
    sys.exit(evaluate_classifier("sentiment"))
