"""Converts a checkpoint between the original's format (.pth beside its config.yaml) and ours (.safetensors, one file).

python scripts/convert_checkpoint.py checkpoints/static/250000.pth static.safetensors
python scripts/convert_checkpoint.py static.safetensors exported/250000.pth
"""

from collections.abc import Sequence
from pathlib import Path

import hodor
from hodor.errors import HodorError
from hodor.program import ArgumentParser, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`."""
    parser = ArgumentParser(description="Converts a checkpoint; the endings of the names say from what to what.")
    parser.add_argument("source", type=Path, help="a .pth beside its config.yaml, or a .safetensors")
    parser.add_argument("target", type=Path, help="a .safetensors, or a .pth (config.yaml goes beside it)")
    parser.add_argument("--half", action="store_true", help="keep 16 bits of every weight (.safetensors only)")
    options = parser.parse_args(arguments)
    if options.target.suffix not in {".safetensors", ".pth"}:
        raise HodorError(f"{options.target}: the name must end in .safetensors or .pth")
    if options.half and options.target.suffix != ".safetensors":
        raise HodorError(f"--half: {options.target} must be a .safetensors; the original's format keeps 32 bits")
    if options.target.exists():
        raise HodorError(f"{options.target}: exists already; remove it or choose another name")
    if options.target.suffix == ".pth" and (options.target.parent / "config.yaml").exists():
        raise HodorError(f"{options.target.parent}: holds a config.yaml already; choose a folder of its own")
    checkpoint = hodor.load(options.source)
    if options.target.suffix == ".pth":
        hodor.export_original(options.target, checkpoint)
    else:
        hodor.save_checkpoint(options.target, checkpoint, half=options.half)
    print(f"wrote {options.target}")
    return 0


if __name__ == "__main__":
    run(main)
