"""Train the classifier of dialogue acts that intent_accuracy asks, on local rows of DailyDialog."""

import sys

from rl4lms.cli.reward_modeling import train_classifier

if __name__ == "__main__":
    sys.exit(train_classifier("intent"))
