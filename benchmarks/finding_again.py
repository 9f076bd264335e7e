"""Objects that are described in one frame and looked for without what lies between, or where they are not.

    python benchmarks/finding_again.py CHECKPOINT --davis ~/DAVIS --output finding_again.json

Describes the objects of the first frames, and measures
* how well they are found some frames later from the description alone, beside following them there;
* how often they are "found" in frames of the other videos, for every threshold of their presence.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
from real_videos import SELECTION, chosen
from tqdm import tqdm

from hodor.evaluation.measures import contour_accuracy, region_similarity
from hodor.formats.label_maps import read_label_map
from hodor.formats.object_files import DescribedObject
from hodor.inference.segmenter import Segmenter
from hodor.media.images import read_image
from hodor.program import ArgumentParser, run

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
    parser.add_argument("--output", type=Path, required=True, help="JSON with every number")
    options = parser.parse_args(arguments)
    segmenter = Segmenter.of(options.checkpoint, presence_threshold=0.0)
    videos = read_videos(options.davis, options.resolution)
    described = {name: segmenter.describe(video.frame(0), video.mask(0), name) for name, video in videos.items()}
    later = {}
    for name in tqdm(chosen(list(videos), options.only), desc="later frames"):
        later[name] = found_later(segmenter, videos[name], described[name], options.distance)
    present, absent = presences(segmenter, videos, described, options.distance)
    options.output.write_text(json.dumps({"later": later, "present": present, "absent": absent}, indent=1))
    print(table(later, present, absent, options.distance))
    return 0


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


def presences(
    segmenter: Segmenter, videos: dict[str, Video], described: dict[str, DescribedObject], distance: int
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """{video: (presence, region similarity) in its later frame} and {object in video: presence in one where it is not}."""
    present, absent = {}, {}
    for name, video in tqdm(videos.items(), desc="other videos"):
        index = min(distance, len(video.frames) - 1)
        frame, truth = video.frame(index), video.mask(index)
        for other, each in described.items():
            segmenter.reset()
            segmenter.add_described(1, each)
            labels = segmenter.step(frame, last=True).cpu().numpy()
            if other == name:
                present[name] = segmenter.presences[1], region_similarity(labels > 0, truth)
            else:
                absent[f"{other} in {name}"] = segmenter.presences[1]
    return present, absent


def table(
    later: dict[str, dict[str, float]], present: dict[str, tuple[float, float]], absent: dict[str, float], distance: int
) -> str:
    """Both measurements as Markdown."""
    lines = [f"| sequence | followed for {distance} frames | looked for there | ", "|---|---|---|"]
    lines += [f"| {name} | {100 * each['followed']:.1f} | {100 * each['looked for']:.1f} |" for name, each in later.items()]
    means = [100 * mean(each[way] for each in later.values()) for way in ("followed", "looked for")]
    lines += [f"| **mean of {len(later)}** | {means[0]:.1f} | {means[1]:.1f} |", ""]
    lines += ["| threshold | found where they are | found where they are not |", "|---|---|---|"]
    there = np.array([presence for presence, overlap in present.values() if overlap >= FOUND])
    elsewhere = np.array(list(absent.values()))
    for threshold in THRESHOLDS:
        right, wrong = (there >= threshold).sum() / len(present), (elsewhere >= threshold).mean()
        lines.append(f"| {threshold:.2f} | {100 * right:.0f} % | {100 * wrong:.1f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
