"""The command line of `hodor infer`. Nothing here needs the network, so that a wrong argument is answered at once."""

import argparse
from pathlib import Path
from typing import Any

from hodor.checkpoints.weights import DEFAULT, names
from hodor.config import InferenceConfig
from hodor.config.declaration import allowed
from hodor.media.images import MAX_PIXELS
from hodor.program import ArgumentParser, at_least_1
from hodor.workspace import INFERENCE_DATASETS

_SETTINGS = ("temporal_window", "permanent_reference", "min_confidence", "long_term_interval", "guided_edges")
"""What a checkpoint is meant to be used with, as its configuration declares it."""
_SHORT = {"temporal_window": ["-t"]}
_VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v"}


def _no_video(text: str) -> str:
    """The type of an option that names a checkpoint, where users of one video have taken the wrong program."""
    if Path(text).suffix.lower() in _VIDEOS:
        raise argparse.ArgumentTypeError(f"{text} is a video; to follow objects in it: hodor track {text}")
    return text


def parser() -> ArgumentParser:
    """The options of the program."""
    options = ArgumentParser(
        prog="python hodor/inference/main.py",
        description="Segments every video of a data set, given the masks of its objects in the frames where they start. "
        "Sequences that are finished are skipped when the same command is run again. "
        "Started by torchrun, several processes, on machines that share the folders, share out the sequences.",
    )
    options.add_argument(
        "checkpoint",
        nargs="?",
        type=_no_video,
        default=DEFAULT,
        help="a .pth in the original's format beside its config.yaml, a .safetensors, hf://owner/name on a hub, or the name of "
        f"weights that come with the package: {', '.join(names())}; also relative to $HODOR_WORKSPACE_DIR/checkpoints, or "
        f"'latest' for the newest there (default: {DEFAULT})",
    )
    options.add_argument(
        "-d",
        "--dataset",
        required=True,
        metavar="NAME",
        help=f"{', '.join(INFERENCE_DATASETS)}, or the name of any data set that was converted into $HODOR_WORKSPACE_DIR",
    )
    options.add_argument(
        "-o",
        "--output_dir",
        type=Path,
        help="where to write; relative to the checkpoint's folder, or with weights of the package or a hub to "
        "checkpoints/<name> (default: <dataset>_inference)",
    )
    options.add_argument("--seqs", "--sequences", nargs="+", action="extend", metavar="ID", help="only these sequences")
    options.add_argument(
        "--save_vis", action="store_true", help="also write the frames with coloured masks, and videos of them, to DIR/vis"
    )
    add_network_options(options)
    return options


def add_network_options(options: "argparse._ActionsContainer") -> None:
    """Adds what the network remembers, how it sees frames, and where it computes, to a parser or a group of one."""
    for name in _SETTINGS:
        setting = InferenceConfig.fields[name]
        kind, papers = type(setting.default), f"{setting.default:g}"
        how: dict[str, Any] = {"type": kind, "metavar": "P" if kind is float else "N"}
        if kind is bool:
            papers, how = "no", {"action": argparse.BooleanOptionalAction}
        meaning = "; ".join(filter(None, (setting.description, allowed(setting))))
        said = f"{meaning} (default: what the checkpoint is meant for; the paper's: {papers})"
        options.add_argument(*_SHORT.get(name, []), f"--{name}", help=said, **how)
    options.add_argument(
        "--corrections_replace",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="a mask given anew replaces all that was remembered of its object, instead of being one frame among the others "
        "(default: in hodor track yes, in hodor infer, as in the original, no)",
    )
    add_computing_options(options)
    options.add_argument(
        "--compile", action="store_true", help="compile the network: the first frames take minutes, the others less on a GPU"
    )
    options.add_argument(
        "--look_ahead",
        type=int,
        default=1,
        metavar="N",
        help="extract the features of so many frames at once, which keeps a GPU busy (default: 1)",
    )


def add_computing_options(options: "argparse._ActionsContainer") -> None:
    """Adds how the network sees single frames, and where it computes."""
    options.add_argument(
        *("--min_image_dim", "--min_dim"),
        type=int,
        metavar="N",
        help="shorter side of the frames as the network sees them; the longer side's limit is scaled likewise "
        "(default: the configuration's; the paper's results on DAVIS: 512)",
    )
    options.add_argument("--device", default="auto", help="auto, cpu or cuda, with a GPU for each process (default: auto)")
    options.add_argument("--precision", choices=["float32", "bf16"], default="float32", help="(default: float32)")
    options.add_argument(
        "--max_pixels",
        type=at_least_1,
        default=MAX_PIXELS,
        metavar="N",
        help="how many a frame may have; more needs more memory (default: %(default)s)",
    )
