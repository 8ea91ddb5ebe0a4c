"""Train the model that common_gen_preference_model asks, on pairs that people have compared."""

import sys

from rl4lms.cli.reward_modeling import train_preference

if __name__ == "__main__":
    sys.exit(train_preference())
