"""`python -m rl4lms <stage>`."""

import sys

from rl4lms.cli.warm import run_warm

if __name__ == "__main__":
    code = run_warm(sys.argv[1:])
    if code is None:
        from rl4lms.cli.main import main

        code = main()
    sys.exit(code)
