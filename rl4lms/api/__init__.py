"""The Python front door: what `import rl4lms` gives.

Its modules import torch, which reads the variables that choose its kernels once, so they are set here, before that.
"""

import sys

from rl4lms.core.kernels import settle_process

if "torch" not in sys.modules:
    settle_process()  # the portable kernels of every run; one that asks for native ones settles again
