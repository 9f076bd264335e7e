"""The section `frame`: what one frame takes, part by part, against the plain twin, and with files."""

import copy
import itertools
import logging
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hodor.benchmark.bench import Bench, Video, label
from hodor.benchmark.measuring import in_turns, ratios
from hodor.benchmark.plain import plain
from hodor.devices import precision_context
from hodor.formats import run_length
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.label_map import label_map
from hodor.inference.memory import DescriptorMemory
from hodor.inference.results import ResultsFolder
from hodor.inference.sequences import segment_sequence
from hodor.media.sizes import network_size
from hodor.modelling.soft_masks import resize
from hodor.synthetic.davis_folder import JPEG_QUALITY

_LOGGER = logging.getLogger(__name__)


def frame(bench: Bench) -> dict[str, Any]:
    """Measures a frame in the steady state, everything but files in turns."""
    sizes = bench.sizes
    parts = Parts(bench)
    twin = copy.deepcopy(bench.model, {id(weights): weights for weights in bench.model.parameters()})  # the same weights
    _LOGGER.info("frame: the network, its plain twin and its parts, in turns")
    with plain(twin):
        runs: dict[str, Callable[[], object]] = {"network": bench.tracking().step, "plain": bench.tracking(model=twin).step}
        runs |= {f"part: {name}": run for name, run in parts.runs().items()}
        times = in_turns(runs, bench.device, rounds=sizes.rounds, repeats=bench.repeats)
    _LOGGER.info("frame: agreement of the network and its plain twin")
    agreement = parts.agreement()
    _LOGGER.info("frame: from files to files")
    return {
        "frame_size": label(sizes.frame),
        "network_size": label(parts.network),
        "objects": sizes.objects,
        "window": sizes.window,
        "network": times["network"].as_json(),
        "parts": {name: times[f"part: {name}"].as_json() for name in parts.runs()},
        "plain": times["plain"].as_json(),
        "plain_against_ours": ratios(times["plain"], times["network"]),
        "agreement": agreement,
        "with_files": with_files(bench),
    }


class Parts:
    """The steps that a frame goes through, one by one; each works on what those before made of one and the same frame."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._model, self._video = bench, bench.model, bench.video
        self.network = network_size(*bench.sizes.frame, bench.sizes.min_dim, 2 * bench.sizes.min_dim)
        state = bench.tracking().segmenter.state_dict()["tracker"]
        memory = DescriptorMemory(bench.sizes.window)
        memory.load_state_dict(state["memory"])
        self._ids = list(state["object_ids"])
        self._memory = memory.recall(state["frame"] + 1, self._ids)

    def runs(self) -> dict[str, Callable[[], object]]:
        """What each part does, by the part's name."""
        with torch.inference_mode(), precision_context(self._bench.device, self._bench.setting.precision):
            prepared = self._prepare(self._video.frames[-1])
            features = self._model.extract_features(prepared)
            logits = self._segment(features)
        return {
            "prepare": self._inside(lambda: self._prepare(self._video.frames[-1])),
            "extract_features": self._inside(lambda: self._model.extract_features(prepared)),
            "segment": self._inside(lambda: self._segment(features)),
            "describe": self._inside(lambda: self._model.describe_predicted(features, logits)),
            "label_map": self._inside(lambda: self._labels(logits)),
        }

    def agreement(self) -> dict[str, Any]:
        """Compares the network with its plain twin on all frames of the video, with the same memory.

        Returns:
            equal_pixels: share of pixels with the same label.
            logits_difference: the largest, over frames, norm of the difference over norm of the twin's logits.
            largest_difference: of any logit, over the root mean square of the frame's logits.
        """
        equal, relative, largest = [], [], []
        for image in self._video.frames:
            ours, our_labels = self._inside(partial(self._result, image))()
            with plain(self._model):
                theirs, their_labels = self._inside(partial(self._result, image))()
            equal.append((our_labels == their_labels).float().mean().item())
            difference = (ours - theirs).double()
            relative.append((difference.norm() / theirs.double().norm()).item())
            largest.append((difference.abs().max() / theirs.double().square().mean().sqrt()).item())
        return {
            "frames": len(equal),
            "equal_pixels": sum(equal) / len(equal),
            "logits_difference": max(relative),
            "largest_difference": max(largest),
        }

    def _inside(self, run: Callable[[], Any]) -> Callable[[], Any]:
        """The same in the context that the segmenter computes in."""

        def inside() -> Any:
            with torch.inference_mode(), precision_context(self._bench.device, self._bench.setting.precision):
                return run()

        return inside

    def _result(self, image: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """A frame [H, W, 3] -> logits [1, K + I, h, w] and label map [H, W]."""
        logits = self._segment(self._model.extract_features(self._prepare(image)))
        return logits, self._labels(logits)

    def _prepare(self, image: np.ndarray) -> torch.Tensor:
        tensor = torch.as_tensor(image).permute(2, 0, 1)[None].to(self._bench.device).float()
        return self._model.prepare(resize(tensor, self.network))

    def _segment(self, features: Any) -> torch.Tensor:
        return self._model.segment(features, self._memory).float()

    def _labels(self, logits: torch.Tensor) -> torch.Tensor:
        background_channels, size = self._model.num_background_channels, self._bench.sizes.frame
        options: dict[str, Any] = {"num_background_channels": background_channels, "network": self.network, "size": size}
        return label_map(logits, self._ids, {}, **options).labels


def with_files(bench: Bench) -> dict[str, Any]:
    """A sequence of JPEGs to palette PNGs as the inference program does it: seconds per frame, first frame included."""
    sizes = bench.sizes
    count = sizes.files * bench.repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sequence = write_sequence(folder, bench.video.of_objects(sizes.objects), count)
        with ResultsFolder(folder / "output", youtube_vos=False, with_overlays=False).writing(sequence, {}) as writer:
            timing = segment_sequence(bench.segmenter(), sequence, folder, writer, lambda: None)
    return {"frames": count, "seconds": timing.total / count, "network_seconds": timing.network / count}


def write_sequence(folder: Path, video: Video, count: int) -> InferenceSequence:
    """Writes a video of `count` frames, which repeats itself, as JPEGs; its masks are given in its first frame."""
    paths = [f"{index:05d}.jpg" for index in range(count)]
    for path, image in zip(paths, itertools.cycle(video.frames), strict=False):
        Image.fromarray(image).save(folder / path, quality=JPEG_QUALITY)
    masks = {object_id: run_length.encode(mask) for object_id, mask in video.masks.items()}
    return InferenceSequence("video", tuple(paths), {0: masks})
