"""Scores masks: `python hodor/evaluation/main.py --help`; the program is `hodor.evaluation.program`."""

from hodor.evaluation.program import main
from hodor.program import run

if __name__ == "__main__":
    run(main)
