"""`python -m hodor.benchmark` is the same as `hodor benchmark`."""

from hodor.benchmark.main import main
from hodor.program import run

if __name__ == "__main__":
    run(main)
