"""`python -m hodor.benchmark` is the same as `hodor benchmark`."""

import sys

from hodor.cli import main
from hodor.program import run

if __name__ == "__main__":
    run(main, ["benchmark", *sys.argv[1:]])
