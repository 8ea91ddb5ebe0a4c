"""Train the classifier of sentiment that learned_reward asks, on local rows of IMDB."""

import sys

from rl4lms.cli.reward_modeling import train_classifier

if __name__ == "__main__":
    sys.exit(train_classifier("sentiment"))
