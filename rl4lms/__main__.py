"""`python -m rl4lms <stage>`."""

import sys

from rl4lms.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
