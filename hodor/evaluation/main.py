"""Scores masks.

python hodor/evaluation/main.py RESULTS --ground_truth DIR
"""

from collections.abc import Sequence

from hodor.program import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`."""
    from hodor.evaluation import program  # noqa: PLC0415 (loads torch, for which `run` has prepared the process)

    return program.main(arguments)


if __name__ == "__main__":
    run(main)
