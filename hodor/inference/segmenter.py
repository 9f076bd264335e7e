"""The online segmenter: frames in, label maps out, one at a time.

segmenter = Segmenter.of("compact")                   # or the path of a checkpoint
for frame in frames:                                  # [H, W, 3] uint8, R, G, B
    labels = segmenter.step(frame, new_masks)         # [H, W] uint8; new_masks = {object id: mask} where there are any
"""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from hodor.checkpoints.checkpoint import Checkpoint, load
from hodor.devices import Precision, choose_device
from hodor.errors import HodorError
from hodor.formats.object_files import DescribedObject
from hodor.inference.given import Masks, Picture, frame_tensor, known_id, object_masks, reaches_255
from hodor.inference.logits_to_labels import LabelMap, label_map
from hodor.inference.memory import MemorySettings
from hodor.inference.seeing import Seen, Sight, fingerprint, views_of
from hodor.inference.settings import check_state, checked_memory, checked_sizes, recommended_options, whole_number
from hodor.inference.tracker import DescriptorTracker
from hodor.modelling.model import HODOR

_LOGGER = logging.getLogger(__name__)

_STATE_VERSION = 2


class Segmenter:
    """Segments a video frame by frame. Objects may be added and removed at any frame; memory does not grow with time.

    Attributes:
        device: where it computes.
        model: the network that it was given.
        sight: brings frames and masks to the network.
        network: the form of it that computes, see `made_ready`.
    """

    def __init__(
        self,
        model: HODOR,
        *,
        temporal_window: int = 7,
        min_dim: int = 448,
        max_dim: int = 864,
        permanent_reference: bool = False,
        min_confidence: float = 0.0,
        long_term_interval: int = 0,
        corrections_replace: bool = True,
        presence_threshold: float = 0.0,
        guided_edges: bool = False,
        device: str | torch.device = "auto",
        precision: Precision = "float32",
        compiled: bool = False,
        look_ahead: int = 1,
    ) -> None:
        """Gets ready for a video.

        Args:
            model: the network; it is moved to the device and put into evaluation mode.
            temporal_window: how many earlier frames are remembered, at least 1.
            min_dim: shorter side at which frames are shown to the network, in pixels.
            max_dim: limit of the longer side.
            permanent_reference: never forget what objects looked like where their masks were given.
            min_confidence: from 0 to below 1; predicted masks whose mean probability is lower aren't remembered, so that an
                object that is hidden for long isn't mistaken for what hides it; 0 remembers all.
            long_term_interval: also remember every n-th frame beyond the window, up to 8 of them; 0 for none.
            corrections_replace: a mask that is given anew replaces all that was remembered of its object, and of the background
                that may have held it; else, as in the original, what was wrong before counts for as long as the window.
            presence_threshold: from 0 to below 1; objects that `add_described` told of aren't found in frames where their
                presence is lower.
            guided_edges: lead the edges of masks along those of the frame; else masks are enlarged as they are.
            device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", ...
            precision: "float32" or "bf16" (faster on hardware that knows it, nearly the same masks).
            compiled: compile the network: the first frames take minutes, the others less on a GPU (not on CPUs).
            look_ahead: `follow` extracts the features of so many frames at once, which keeps a GPU busy; at least 1.

        Raises:
            HodorError: the device isn't there, the precision is unknown, or a number is out of range.
        """
        if not isinstance(model, HODOR):
            raise HodorError(f"Segmenter takes a network, not {type(model).__name__}; Segmenter.of takes checkpoints and names")
        told = MemorySettings(
            temporal_window, permanent_reference, min_confidence, long_term_interval, corrections_replace, presence_threshold
        )
        self._remembered = checked_memory(told)
        sizes = checked_sizes(min_dim, max_dim)
        self._guided_edges = bool(guided_edges)
        self._look_ahead = whole_number("frames to look ahead", look_ahead, 1)
        self._compiled = compiled
        self.device = choose_device(device)
        self.model = model.to(self.device).eval()
        network = {"width": self.model.encoder.embeddings.object.shape[0], "network": fingerprint(self.model)}
        self._settings = {"version": _STATE_VERSION, **network, "sizes": sizes, **self._remembered._asdict()}
        self.sight = Sight(self.model, sizes, precision, compiled=compiled)
        self.network = self.sight.network
        self.reset()

    @classmethod
    def of(cls, checkpoint: Checkpoint | str | Path, **options: Any) -> "Segmenter":
        """A segmenter with the settings that the checkpoint is meant for, where `options`, as above, don't say otherwise.

        They are its configuration's INPUT.MIN_DIM and MAX_DIM and its section INFERENCE.

        Args:
            checkpoint: loaded, or what `hodor.load` takes: the path of a checkpoint, "compact", or `hf://owner/name` on a hub.
            options: arguments of `Segmenter`.

        Raises:
            HodorError: the checkpoint can't be loaded, or an option is out of range.
        """
        if isinstance(checkpoint, str | Path):
            checkpoint = load(checkpoint)
        if not isinstance(checkpoint, Checkpoint):
            kind = type(checkpoint).__name__
            raise HodorError(
                f"Segmenter.of takes a checkpoint, its path or a name, not {kind}; Segmenter(model) takes a network"
            )
        return cls(checkpoint.model, **(recommended_options(checkpoint.config) | options))

    from_pretrained = of
    """The same by the name that it has elsewhere."""

    def reset(self, name: str = "video") -> None:
        """Forgets everything: the next frame begins another video, which warnings call `name`."""
        self._name = name
        self._tracker = DescriptorTracker(self.network, self._remembered, constant_frames=self._compiled)
        self._video_size: tuple[int, int] | None = None
        self._reached_255 = False
        self._latest: LabelMap | None = None

    @property
    def object_ids(self) -> list[int]:
        """Ids of the known objects, ascending."""
        return self._tracker.memory.object_ids

    @property
    def confidences(self) -> dict[int, float]:
        """How sure the last label map is: per object the mean probability inside its mask; 0 where the mask is empty."""
        return {} if self._latest is None else self._latest.confidences()

    @property
    def presences(self) -> dict[int, float]:
        """How likely it is, 0 to 1, that each object of which `add_described` told is in the last frame."""
        return {object_id: float(presence) for object_id, presence in self._tracker.presences.items()}

    def describe(self, frame: Picture, mask: Picture, name: str = "object") -> DescribedObject:
        """What the network knows of the object that a mask shows in a frame, to be found in other videos by `add_described`.

        Args:
            frame: as in `step`; it takes no part in the video.
            mask: [H, W], likewise.
            name: for people.

        Raises:
            HodorError: as in `step`.
        """
        image = frame_tensor(frame)
        reaches_255(image, reached=False)
        size = (image.shape[1], image.shape[2])
        given = object_masks({1: mask}, size, self.device)[1]
        with self.sight.computing():
            features = self.model.extract_features(self.sight.image(image[None]))
            described = self.model.describe_given(features, self.sight.mask(given)[None, None], keep_small=True)
        objects, background = (each[0].float().cpu().numpy() for each in described)
        return DescribedObject(name, fingerprint(self.model), objects, background[None])

    def add_described(self, object_id: int, described: DescribedObject) -> None:
        """Begins to look for an object in the frames to come, whatever the frame in which it first appears.

        Args:
            object_id: 1..255.
            described: by `describe`, or read from a file.

        Raises:
            HodorError: another network described it, or the id is out of range.
        """
        self._tracker.memory.write_views(known_id(object_id), *views_of(described, self.model))

    def remove_object(self, object_id: int) -> None:
        """Stops following an object.

        Raises:
            HodorError: there is no such object.
        """
        if object_id not in self.object_ids:
            raise HodorError(f"object {object_id} is not being tracked; known objects: {self.object_ids}")
        self._tracker.memory.forget_object(object_id)

    def step(self, frame: Picture, new_masks: Masks | None = None, *, last: bool = False) -> torch.Tensor:
        """Takes the next frame of the video.

        Args:
            frame: [H, W, 3] array or [3, H, W] tensor, R, G, B in 0..255 (uint8 or floats), or a PIL image.
            new_masks: objects that start here or whose masks are given anew, in arrays, tensors or PIL images. Either {object
                id 1..255: [H, W] mask}, where an object is where its mask isn't 0, or is above 0.5 in a mask of probabilities
                (floats in 0..1); where masks overlap, the later one counts. Or a label map [H, W] of ids, where 255 means
                unsure, hence no object; but one of nothing but 0 and 255 is a black-and-white mask of object 1.
            last: no frame will follow, so that nothing needs to be remembered of this one.

        Returns:
            Label map [H, W] uint8 on the segmenter's device: the id of the object that each pixel shows, 0 for none.

        Raises:
            HodorError: sizes differ, the frame's values aren't 0..255, a mask is empty or an id is out of range; the message
                names the object. Everything is then as if the frame hadn't been shown.
        """
        return self._step(frame, new_masks, None, last)

    def follow(self, video: Iterable[tuple[Picture, Masks | None]]) -> Iterator[torch.Tensor]:
        """Segments the frames of a video like `step`, of which some may be seen ahead of their turn.

        Args:
            video: frames with the masks that are given in them, both as in `step`. A frame must stay as it is until its label
                map has come.

        Yields:
            The label map of each frame.

        Raises:
            HodorError: as `step` does, when the frame's turn has come; or `video` doesn't give pairs.
        """
        count, remaining = self._look_ahead, iter(video)
        while upcoming := list(itertools.islice(remaining, count)):
            for pair in upcoming:
                if not (isinstance(pair, tuple | list) and len(pair) == 2):
                    kind = type(pair).__name__
                    raise HodorError(f"follow takes pairs (frame, masks), masks being None where none are given, not {kind}")
            seen = self._see([frame for frame, _ in upcoming]) if len(upcoming) == count > 1 else [None] * len(upcoming)
            for (frame, new_masks), known in zip(upcoming, seen, strict=True):
                yield self._step(frame, new_masks, known, last=False)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the following frames depend on (kilobytes); `torch.save` writes it, `load_state_dict` continues."""
        progress = {"video_size": self._video_size, "reached_255": self._reached_255, "tracker": self._tracker.state_dict()}
        return self._settings | progress

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where `state_dict` was called, for example in another process.

        Raises:
            HodorError: that was another network or another version, or had other settings; the message names what differs.
        """
        check_state(state, self.state_dict(), self._settings)
        self._video_size, self._reached_255 = state["video_size"], state["reached_255"]
        self._tracker.load_state_dict(state["tracker"])

    def _step(self, frame: Picture, new_masks: Masks | None, seen: Seen | None, last: bool) -> torch.Tensor:
        """See `step`; `seen` is what is known of the frame already."""
        before = self.state_dict()
        try:
            image = frame_tensor(frame, self._video_size)
            self._reached_255 = reaches_255(image, reached=self._reached_255)
            size = (image.shape[1], image.shape[2])
            masks = object_masks(new_masks, size, self.device)
            self._latest, self._video_size = None, size
            with self.sight.computing():
                prepared, features = (self.sight.image(image[None]), None) if seen is None else seen
                small_masks = {object_id: self.sight.mask(mask) for object_id, mask in masks.items()}
                logits = self._tracker.step(prepared, small_masks, features=features, remember=not last)
                for object_id in self._tracker.vanishing:
                    _LOGGER.warning("%s: object %d is so small that a single 8x8 block describes it", self._name, object_id)
                self._latest = label_map(
                    logits,
                    self.object_ids,
                    masks,
                    num_background_channels=self.model.num_background_channels,
                    network=self.sight.size(size),
                    size=size,
                    guide=prepared if self._guided_edges else None,
                )
                return self._latest.labels.to(self.device)
        except BaseException:
            self.load_state_dict(before)
            raise

    def _see(self, frames: Sequence[Picture]) -> Sequence[Seen | None]:
        """Prepares frames and extracts their features at once; nothing where they differ in kind or one is refused."""
        nothing = [None] * len(frames)
        try:
            images = [frame_tensor(frame, self._video_size) for frame in frames]
        except HodorError:
            return nothing
        alike = len({(image.dtype, image.shape, image.device) for image in images}) == 1
        return self.sight.at_once(images) if alike else nothing
