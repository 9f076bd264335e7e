"""Objects that are described in one frame and looked for without what lies between, or where they are not.

    python benchmarks/finding_again.py CHECKPOINT --davis ~/DAVIS --output finding_again.json

Describes the objects of the first frames, and measures
* how well they are found some frames later from the description alone, beside following them there;
* how often they are "found" in frames of the other videos, for every threshold of their presence.
Whatever is done is kept in the output: the same command goes on, and --minutes ends it between two sequences.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
import torch
from real_videos import SELECTION, chosen
from tqdm import tqdm

import hodor
from hodor.checkpoints.weights import locate_existing
from hodor.errors import HodorError
from hodor.evaluation.measures import contour_accuracy, region_similarity
from hodor.files import written_aside
from hodor.formats.label_maps import read_label_map
from hodor.formats.object_files import DescribedObject
from hodor.inference.given import object_masks
from hodor.inference.logits_to_labels import label_map
from hodor.inference.memory import MemorySettings
from hodor.inference.seeing import Sight, fingerprint, views_of
from hodor.inference.segmenter import Segmenter
from hodor.inference.settings import recommended_options
from hodor.inference.tracker import DescriptorTracker
from hodor.media.images import read_image
from hodor.program import ArgumentParser, run
from hodor.workspace import checkpoints_folder

FOUND = 0.5  # region similarity from which an object counts as found
THRESHOLDS = [round(0.5 + 0.02 * step, 2) for step in range(25)]


class Video(NamedTuple):
    """The frames of a sequence and the masks of its one object."""

    frames: list[Path]
    masks: list[Path]

    def frame(self, index: int) -> np.ndarray:
        return read_image(self.frames[index])

    def mask(self, index: int) -> np.ndarray:
        return read_label_map(self.masks[index], binary=True) > 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Describes objects, and looks for them in later frames and in other videos.")
    parser.add_argument("checkpoint", help="a file, or the name of weights that come with the package")
    parser.add_argument("--davis", type=Path, required=True, help="folder with JPEGImages/ and Annotations/ of DAVIS 2016")
    parser.add_argument("--resolution", default="480p", help="the folder below them (default: 480p)")
    parser.add_argument("--distance", type=int, default=40, help="how many frames later (default: 40)")
    parser.add_argument("--only", choices=[SELECTION], help="one part of the sequences, in the first measurement")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no sequence after so many (default: 60)")
    parser.add_argument("--output", type=Path, required=True, help="JSON with every number; what is in it is kept")
    options = parser.parse_args(arguments)
    checkpoint = hodor.load(locate_existing(options.checkpoint, checkpoints_folder()))
    segmenter = Segmenter.of(checkpoint, presence_threshold=0.0)
    videos = read_videos(options.davis, options.resolution)
    kept = Kept(options.output, {"network": fingerprint(checkpoint.model), "distance": options.distance}, options.minutes)
    described = {name: segmenter.describe(video.frame(0), video.mask(0), name) for name, video in videos.items()}
    names = chosen(list(videos), options.only)
    later = kept.each("later", names, lambda name: found_later(segmenter, videos[name], described[name], options.distance))
    sight = sight_of(checkpoint)
    elsewhere = kept.each("presences", list(videos), lambda name: presences(sight, videos[name], described, options.distance))
    print(table(later, elsewhere, options.distance))
    print(kept.left())
    return 0


class Kept:
    """Results in a file, by kind and name: whatever is there already is not computed again."""

    def __init__(self, output: Path, of: Mapping[str, Any], minutes: float) -> None:
        """Reads what an earlier run has done; nothing is begun after some minutes.

        Raises:
            HodorError: that run was `of` something else.
        """
        self._output = output
        self._end = time.monotonic() + 60 * minutes
        self._left = 0
        self._content: dict[str, Any] = json.loads(output.read_text()) if output.is_file() else dict(of)
        if any(self._content.get(key) != value for key, value in of.items()):
            raise HodorError(f"{output}: is of another network or of other settings; choose another --output")

    def each(self, kind: str, names: Sequence[str], compute: Callable[[str], Any]) -> dict[str, Any]:
        """What there is of these names, computed where it isn't known."""
        results = self._content.setdefault(kind, {})
        for name in tqdm([name for name in names if name not in results], desc=kind):
            if time.monotonic() > self._end:
                break
            results[name] = compute(name)
            with written_aside(self._output) as aside:
                aside.write_text(json.dumps(self._content, indent=1))
        found = {name: results[name] for name in names if name in results}
        self._left += len(names) - len(found)
        return found

    def left(self) -> str:
        """How many are left, in words."""
        return f"{self._left} are left: the same command goes on" if self._left else "all are judged"


def sight_of(checkpoint: hodor.Checkpoint) -> Sight:
    """Brings frames to a checkpoint's network at the size that it is meant for."""
    recommended = recommended_options(checkpoint.config)
    return Sight(checkpoint.model.eval(), (recommended["min_dim"], recommended["max_dim"]), "float32", compiled=False)


def found_by_all(
    sight: Sight, trackers: Mapping[str, DescriptorTracker], image: np.ndarray, given: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """What each tracker finds in its next frame [H, W, 3], in which masks may be `given` [H, W]: label maps [H, W]."""
    frame, size = torch.from_numpy(image).permute(2, 0, 1), (image.shape[0], image.shape[1])
    masks = object_masks(given, size, frame.device)
    (seen,) = sight.at_once([frame])
    found = {}
    with sight.computing():
        for name, tracker in trackers.items():
            logits = tracker.step(seen[0], {key: sight.mask(mask) for key, mask in masks.items()}, features=seen[1])
            channels = tracker.model.num_background_channels
            labels = label_map(
                logits, tracker.memory.object_ids, masks, num_background_channels=channels, network=sight.size(size), size=size
            )
            found[name] = labels.labels.numpy()
    return found


def read_videos(davis: Path, resolution: str) -> dict[str, Video]:
    """All sequences, by name."""
    images, annotations = davis / "JPEGImages" / resolution, davis / "Annotations" / resolution
    return {
        folder.name: Video(sorted(folder.glob("*.jpg")), sorted((annotations / folder.name).glob("*.png")))
        for folder in sorted(images.iterdir())
    }


def found_later(segmenter: Segmenter, video: Video, described: DescribedObject, distance: int) -> dict[str, float]:
    """J&F in one later frame, of following the object there and of looking for it there alone."""
    last = min(distance, len(video.frames) - 1)
    segmenter.reset()
    labels = segmenter.step(video.frame(0), {1: video.mask(0)})
    for index in range(1, last + 1):
        labels = segmenter.step(video.frame(index))
    followed = score(labels.cpu().numpy() > 0, video.mask(last))
    segmenter.reset()
    segmenter.add_described(1, described)
    looked_for = segmenter.step(video.frame(last)).cpu().numpy() > 0
    return {"followed": followed, "looked for": score(looked_for, video.mask(last))}


def score(mask: np.ndarray, truth: np.ndarray) -> float:
    """J&F."""
    return (region_similarity(mask, truth) + contour_accuracy(mask, truth)) / 2


def presences(sight: Sight, video: Video, described: Mapping[str, DescribedObject], distance: int) -> dict[str, Any]:
    """{object: [its presence, region similarity]} in a later frame of a video, where only the object of the same name is."""
    index = min(distance, len(video.frames) - 1)
    trackers = {}
    for name, each in described.items():
        trackers[name] = DescriptorTracker(sight.network, MemorySettings(temporal_window=1))
        trackers[name].memory.write_views(1, *views_of(each, sight.network))
    found, truth = found_by_all(sight, trackers, video.frame(index)), video.mask(index)
    return {name: [float(trackers[name].presences[1]), region_similarity(labels > 0, truth)] for name, labels in found.items()}


def table(later: dict[str, dict[str, float]], elsewhere: dict[str, dict[str, Any]], distance: int) -> str:
    """Both measurements as Markdown."""
    lines = [f"| sequence | followed for {distance} frames | looked for there |", "|---|---|---|"]
    lines += [f"| {name} | {100 * each['followed']:.1f} | {100 * each['looked for']:.1f} |" for name, each in later.items()]
    if later:
        means = [100 * mean(each[way] for each in later.values()) for way in ("followed", "looked for")]
        lines += [f"| **mean of {len(later)}** | {means[0]:.1f} | {means[1]:.1f} |", ""]
    there = [of[video][0] for video, of in elsewhere.items() if of[video][1] >= FOUND]
    others = [presence for video, of in elsewhere.items() for name, (presence, _) in of.items() if name != video]
    lines += ["| threshold | found where they are | found where they are not |", "|---|---|---|"]
    for threshold in THRESHOLDS if others else ():
        right, wrong = sum(each >= threshold for each in there) / len(elsewhere), mean(each >= threshold for each in others)
        lines.append(f"| {threshold:.2f} | {100 * right:.0f} % | {100 * wrong:.1f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
