"""The online segmenter: frames in, label maps out, one at a time.

segmenter = Segmenter(hodor.load("checkpoint.pth").model)
for frame in frames:                                  # [H, W, 3] uint8, R, G, B
    labels = segmenter.step(frame, new_masks)         # [H, W] uint8; new_masks = {object id: mask} where there are any
"""

import contextlib
import functools
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hodor.checkpoints.checkpoint import Checkpoint
from hodor.config import Config
from hodor.devices import Precision, choose_device, precision_context
from hodor.errors import HodorError
from hodor.formats.inference_json import MAX_OBJECT_ID
from hodor.inference.compiled import compiled as compiled_network
from hodor.inference.logits_to_labels import LabelMap, label_map
from hodor.inference.tracker import DescriptorTracker
from hodor.media.images import network_size
from hodor.modelling.features import Features
from hodor.modelling.model import HODOR, pad
from hodor.modelling.soft_masks import resize

_LOGGER = logging.getLogger(__name__)

Mask = np.ndarray | torch.Tensor
_Seen = tuple[torch.Tensor, Features]
"""A prepared image [1, 3, H', W'] and its features."""


class Segmenter:
    """Segments a video frame by frame. Objects may be added and removed at any frame; memory does not grow with time."""

    def __init__(
        self,
        model: HODOR,
        *,
        temporal_window: int = 7,
        min_dim: int = 448,
        max_dim: int = 864,
        permanent_reference: bool = False,
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
            device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", ...
            precision: "float32" or "bf16" (faster on hardware that knows it, nearly the same masks).
            compiled: compile the network: the first frames take minutes, the others less on a GPU (not on CPUs).
            look_ahead: `follow` extracts the features of so many frames at once, which keeps a GPU busy; at least 1.

        Raises:
            HodorError: the device isn't there, or a number is out of range.
        """
        if temporal_window < 1:
            raise HodorError(f"the temporal window must be at least 1, not {temporal_window}")
        if not 1 <= min_dim <= max_dim:
            raise HodorError(f"sizes must satisfy 1 <= min_dim <= max_dim, not {min_dim} and {max_dim}")
        if look_ahead < 1:
            raise HodorError(f"frames to look ahead must be at least 1, not {look_ahead}")
        self.device = choose_device(device)
        self.model = model.to(self.device).eval()
        self._size_limits = (min_dim, max_dim)
        self._precision = precision
        self._look_ahead = look_ahead
        self._begin = functools.partial(
            DescriptorTracker,
            compiled_network(self.model) if compiled else self.model,
            temporal_window=temporal_window,
            permanent_reference=permanent_reference,
            constant_frames=compiled,
        )
        self.reset()

    @classmethod
    def of(cls, checkpoint: Checkpoint, **options: Any) -> "Segmenter":
        """A segmenter with the settings that the checkpoint is meant for, where `options`, as above, don't say otherwise.

        They are its configuration's INPUT.MIN_DIM and MAX_DIM and its section INFERENCE.
        """
        return cls(checkpoint.model, **(recommended_options(checkpoint.config) | options))

    def reset(self, name: str = "video") -> None:
        """Forgets everything: the next frame begins another video, which warnings call `name`."""
        self._name = name
        self._tracker = self._begin()
        self._video_size: tuple[int, int] | None = None
        self._latest: tuple[LabelMap, list[int]] | None = None

    @property
    def object_ids(self) -> list[int]:
        """Ids of the known objects, ascending."""
        return list(self._tracker.object_ids)

    @property
    def confidences(self) -> dict[int, float]:
        """How sure the last label map is: per object the mean probability inside its mask; 0 where the mask is empty."""
        if self._latest is None:
            return {}
        shown, object_ids = self._latest
        return shown.confidences(object_ids)

    def remove_object(self, object_id: int) -> None:
        """Stops following an object.

        Raises:
            HodorError: there is no such object.
        """
        if object_id not in self._tracker.object_ids:
            raise HodorError(f"object {object_id} is not being tracked; known objects: {self.object_ids}")
        self._tracker.remove_object(object_id)

    def step(self, frame: Mask, new_masks: Mapping[int, Mask] | Mask | None = None, *, last: bool = False) -> torch.Tensor:
        """Takes the next frame of the video.

        Args:
            frame: [H, W, 3] array or [3, H, W] tensor, R, G, B in 0..255.
            new_masks: objects that start here or whose masks are given anew: {object id 1..255: [H, W] mask} or a label map
                [H, W] of ids; where masks overlap, the later one counts.
            last: no frame will follow, so that nothing needs to be remembered of this one.

        Returns:
            Label map [H, W] uint8 on the segmenter's device: the id of the object that each pixel shows, 0 for none.

        Raises:
            HodorError: sizes differ, the frame holds NaN or infinity, a mask is empty or an id is out of range; the message
                names the object. Everything is then as if the frame hadn't been shown.
        """
        return self._step(frame, new_masks, None, last)

    def follow(self, video: Iterable[tuple[Mask, Mapping[int, Mask] | Mask | None]]) -> Iterator[torch.Tensor]:
        """Segments the frames of a video like `step`, of which some may be seen ahead of their turn.

        Args:
            video: frames with the masks that are given in them, both as in `step`. A frame must stay as it is until its label
                map has come.

        Yields:
            The label map of each frame.

        Raises:
            HodorError: as `step` does, when the frame's turn has come.
        """
        count, remaining = self._look_ahead, iter(video)
        while upcoming := list(itertools.islice(remaining, count)):
            seen = self._see([frame for frame, _ in upcoming]) if len(upcoming) == count > 1 else [None] * len(upcoming)
            for (frame, new_masks), known in zip(upcoming, seen, strict=True):
                yield self._step(frame, new_masks, known, last=False)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the following frames depend on (kilobytes); `torch.save` writes it, `load_state_dict` continues."""
        return {"video_size": self._video_size, "tracker": self._tracker.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where `state_dict` was called, for example in another process."""
        self._video_size = state["video_size"]
        self._tracker.load_state_dict(state["tracker"])

    def _step(self, frame: Mask, new_masks: Mapping[int, Mask] | Mask | None, seen: _Seen | None, last: bool) -> torch.Tensor:
        """See `step`; `seen` is what is known of the frame already."""
        before = self.state_dict()
        try:
            return self._segment(self._checked(frame), new_masks, seen, last)
        except BaseException:
            self.load_state_dict(before)
            raise

    def _segment(
        self, image: torch.Tensor, new_masks: Mapping[int, Mask] | Mask | None, seen: _Seen | None, last: bool
    ) -> torch.Tensor:
        """See `step`; `image` is [3, H, W]."""
        if image.is_floating_point() and not image.float().isfinite().all():
            raise HodorError("the frame holds NaN or infinity; its values must be 0..255")
        size = (image.shape[1], image.shape[2])
        masks = self._mask_tensors(new_masks, size)
        network = network_size(*size, *self._size_limits)
        self._latest, self._video_size = None, size
        with self._computing():
            prepared, features = (self._prepare(image[None]), None) if seen is None else seen
            shown = {object_id: pad(_to_network(mask, network)) for object_id, mask in masks.items()}
            logits = self._tracker.step(prepared, shown, features=features, remember=not last)
            for object_id in self._tracker.vanishing:
                _LOGGER.warning("%s: object %d is so small that a single 8x8 block describes it", self._name, object_id)
            object_ids = list(self._tracker.object_ids)
            background_channels = self.model.num_background_channels
            labels = label_map(
                logits, object_ids, masks, num_background_channels=background_channels, network=network, size=size
            )
            self._latest = labels, object_ids
            return labels.labels.to(self.device)

    def _see(self, frames: Sequence[Mask]) -> list[_Seen] | list[None]:
        """Prepares frames and extracts their features at once; nothing of frames that differ in kind or size."""
        if len({(type(frame), tuple(np.shape(frame)), getattr(frame, "device", None)) for frame in frames}) > 1:
            return [None] * len(frames)
        with self._computing():
            prepared = self._prepare(torch.stack([self._checked(frame) for frame in frames]))
            features = self._tracker.model.extract_features(prepared)
        each = zip(prepared.split(1), features.stride_4.split(1), features.stride_8.split(1), strict=True)
        return [(image, Features(stride_4, stride_8)) for image, stride_4, stride_8 in each]

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        with torch.inference_mode(), precision_context(self.device, self._precision):
            yield

    def _prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Frames [B, 3, H, W] of any type and device -> as the network sees them."""
        network = network_size(images.shape[2], images.shape[3], *self._size_limits)
        return self.model.prepare(resize(images.to(self.device, non_blocking=True).float(), network))

    def _checked(self, frame: Mask) -> torch.Tensor:
        """A frame as [3, H, W], wherever it lies."""
        tensor = _tensor(frame)
        if isinstance(frame, np.ndarray) and tensor.ndim == 3:
            tensor = tensor.permute(2, 0, 1)
        if tensor.ndim != 3 or tensor.shape[0] != 3 or 0 in tensor.shape:
            raise HodorError(f"a frame must be an array [H, W, 3] or a tensor [3, H, W], not {list(np.shape(frame))}")
        size = (tensor.shape[1], tensor.shape[2])
        if self._video_size not in (None, size):
            raise HodorError(f"the frame is {_text(size)}, but the video began with {_text(self._video_size)} (height x width)")
        return tensor

    def _mask_tensors(self, new_masks: Mapping[int, Mask] | Mask | None, size: tuple[int, int]) -> dict[int, torch.Tensor]:
        """{object id: [H, W] bool on the device}."""
        if new_masks is None:
            return {}
        if not isinstance(new_masks, Mapping):
            labels = _tensor(new_masks)
            new_masks = {int(value): labels == value for value in labels.unique() if value != 0}
        masks = {}
        for object_id, mask in new_masks.items():
            tensor = _tensor(mask).to(self.device)
            if not 1 <= object_id <= MAX_OBJECT_ID:
                raise HodorError(f"object ids are 1..{MAX_OBJECT_ID}, not {object_id}")
            if tuple(tensor.shape) != size:
                raise HodorError(
                    f"object {object_id}: its mask is {_text(tensor.shape)}, but the frame is {_text(size)} (height x width)"
                )
            masks[object_id] = tensor > 0
            if not masks[object_id].any():
                raise HodorError(f"object {object_id}: its mask is empty")
        return masks


def recommended_options(config: Config) -> dict[str, Any]:
    """The arguments of `Segmenter` that a network of this configuration is meant to be used with."""
    return {
        "min_dim": config.input.min_dim,
        "max_dim": config.input.max_dim,
        "temporal_window": config.inference.temporal_window,
        "permanent_reference": config.inference.permanent_reference,
    }


def _tensor(values: Mask) -> torch.Tensor:
    """A tensor of the same values; arrays that may not be written to are copied."""
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = values.copy()
    return torch.as_tensor(values)


def _to_network(mask: torch.Tensor, network: tuple[int, int]) -> torch.Tensor:
    """A mask [H, W] bool as 0.0 and 1.0 at the network's size; one that would vanish keeps the pixels it falls on."""
    shown = resize(mask[None, None].float(), network)[0, 0] > 0.5
    if not shown.any():
        rows, columns = mask.nonzero(as_tuple=True)
        shown[rows * network[0] // mask.shape[0], columns * network[1] // mask.shape[1]] = True
    return shown.float()


def _text(size: Any) -> str:
    return " x ".join(str(side) for side in size)
