"""What is worth remembering: J&F of one checkpoint with different settings of its memory.

    python benchmarks/memory_options.py CHECKPOINT --davis ~/DAVIS --output memory_options.json

On the sequences of DAVIS 2016 that may be looked at, and on clips that the project makes, in which an object is hidden and
comes back. Memory has no part in a frame's features, so each frame is looked at once for all settings. Whatever is done is kept
in the output: the same command goes on, and --minutes ends it between two clips.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from finding_again import Kept, found_by_all, read_videos, score, sight_of
from real_videos import SELECTION, chosen

import hodor
from hodor.checkpoints.weights import locate_existing
from hodor.formats.label_maps import present_ids
from hodor.inference.memory import MemorySettings
from hodor.inference.seeing import fingerprint
from hodor.inference.tracker import DescriptorTracker
from hodor.program import ArgumentParser, run
from hodor.synthetic import SyntheticClip
from hodor.workspace import checkpoints_folder

Frames = Iterator[tuple[np.ndarray, np.ndarray]]
"""Images [H, W, 3] and label maps [H, W], uint8."""
PAPER = {"temporal_window": 7, "permanent_reference": False, "min_confidence": 0.0, "long_term_interval": 0}
KEPT = PAPER | {"permanent_reference": True}
SETTINGS: dict[str, dict[str, Any]] = {
    "the last 7 frames": PAPER,
    "the last 3": PAPER | {"temporal_window": 3},
    "the last 15": PAPER | {"temporal_window": 15},
    "7 and the first": KEPT,
    "3 and the first": KEPT | {"temporal_window": 3},
    "15 and the first": KEPT | {"temporal_window": 15},
    "7, the first, none below 0.5": KEPT | {"min_confidence": 0.5},
    "7, the first, none below 0.7": KEPT | {"min_confidence": 0.7},
    "7, the first, every 5th": KEPT | {"long_term_interval": 5},
    "7, the first, every 20th": KEPT | {"long_term_interval": 20},
    "7, the first, every 5th, none below 0.5": KEPT | {"long_term_interval": 5, "min_confidence": 0.5},
}
HIDDEN = (1, 4, 5, 9, 13, 14, 15, 18)
"""Seeds of clips of two things in which one is out of sight for some frames and comes back."""
GONE = 0.05
"""Of its area in the first frame: an object that shows less is out of sight."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Judges settings of the memory on real videos and on clips with hidden objects.")
    parser.add_argument("checkpoint", help="a file, or the name of weights that come with the package")
    parser.add_argument("--davis", type=Path, required=True, help="folder with JPEGImages/ and Annotations/ of DAVIS 2016")
    parser.add_argument("--resolution", default="480p", help="the folder below them (default: 480p)")
    parser.add_argument("--clips", type=int, help="so many of either kind (default: all)")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no clip after so many (default: 60)")
    parser.add_argument("--output", type=Path, required=True, help="JSON with every number; what is in it is kept")
    options = parser.parse_args(arguments)
    checkpoint = hodor.load(locate_existing(options.checkpoint, checkpoints_folder()))
    kept = Kept(options.output, {"network": fingerprint(checkpoint.model), "settings": SETTINGS}, options.minutes)
    clips = dict(list(real_clips(options.davis, options.resolution).items())[: options.clips])
    clips |= dict(list(hidden_clips().items())[: options.clips])
    print(table(kept.each("clips", list(clips), lambda name: judged(checkpoint, clips[name]()))))
    print(kept.left())
    return 0


def real_clips(davis: Path, resolution: str) -> dict[str, Callable[[], Frames]]:
    """The sequences that may be looked at, by name."""
    videos = read_videos(davis, resolution)

    def frames(name: str) -> Frames:
        video = videos[name]
        return ((video.frame(index), video.mask(index).astype(np.uint8)) for index in range(len(video.frames)))

    return {name: lambda name=name: frames(name) for name in chosen(list(videos), SELECTION)}  # type: ignore[misc]


def hidden_clips() -> dict[str, Callable[[], Frames]]:
    """Clips with hidden objects, by name."""
    clips = (SyntheticClip(seed, frames=40, height=144, width=256, objects=2) for seed in HIDDEN)
    return {f"hidden {clip.seed}": clip.__iter__ for clip in clips}


def judged(checkpoint: hodor.Checkpoint, frames: Frames) -> dict[str, dict[str, float]]:
    """J&F by setting: "all" frames but the first and the last, and of objects that were hidden since they are "back"."""
    sight = sight_of(checkpoint)
    trackers = {
        name: DescriptorTracker(sight.network, MemorySettings(**settings, corrections_replace=True))
        for name, settings in SETTINGS.items()
    }
    scores: dict[str, list[list[tuple[float, bool]]]] = {name: [] for name in trackers}
    first: np.ndarray | None = None
    hidden: set[int] = set()
    for image, truth in frames:
        given = truth if first is None else None
        first = truth if first is None else first
        ids = present_ids(first)
        shown = {object_id: (truth == object_id).sum() >= GONE * (first == object_id).sum() for object_id in ids}
        hidden |= {object_id for object_id in ids if not shown[object_id]}
        for name, found in found_by_all(sight, trackers, image, given).items():
            of_frame = [(score(found == each, truth == each), each in hidden and shown[each]) for each in ids]
            scores[name].append(of_frame)
    results = {}
    for name, of_frames in scores.items():
        pairs = [pair for of_frame in of_frames[1:-1] for pair in of_frame]
        results[name] = {"all": mean(value for value, _ in pairs)}
        if back := [value for value, is_back in pairs if is_back]:
            results[name]["back"] = mean(back)
    return results


def table(clips: dict[str, dict[str, dict[str, float]]]) -> str:
    """A line for each setting, as Markdown."""
    kinds = {
        "DAVIS": [of for name, of in clips.items() if not name.startswith("hidden ")],
        "clips with a hidden object": [of for name, of in clips.items() if name.startswith("hidden ")],
    }
    lines = [
        "| remembered | " + " | ".join(f"{kind} ({len(each)})" for kind, each in kinds.items()) + " | once it is back |",
        "|---|---|---|---|",
    ]
    for setting in SETTINGS:
        cells = [_mean([of[setting]["all"] for of in each]) for each in kinds.values()]
        back = _mean([of[setting]["back"] for each in kinds.values() for of in each if "back" in of[setting]])
        lines.append(f"| {setting} | {' | '.join(cells)} | {back} |")
    return "\n".join(lines)


def _mean(values: list[float]) -> str:
    return f"{100 * mean(values):.1f}" if values else ""


if __name__ == "__main__":
    run(main)
