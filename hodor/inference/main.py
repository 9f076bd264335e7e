"""`python hodor/inference/main.py` is the same as `hodor infer`.

python hodor/inference/main.py checkpoint.pth --dataset davis_val --temporal_window 7 --min_image_dim 512
torchrun --nproc_per_node=8 hodor/inference/main.py checkpoint.pth --dataset davis_val
"""

from collections.abc import Sequence

from hodor.program import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code: 1 if a sequence failed."""
    from hodor.inference import program  # noqa: PLC0415 (loads torch, for which `run` has prepared the process)

    return program.main(arguments)


if __name__ == "__main__":
    run(main)
