"""Train a language model against a reward, or by supervision, from one YAML file (RL4LMs' published command line)."""

import sys

from rl4lms.cli.train_text_generation import main

if __name__ == "__main__":
    sys.exit(main())
