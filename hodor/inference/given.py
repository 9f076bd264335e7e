"""What users hand over, understood or refused in one line: frames and masks. Wrong kinds never become wrong masks."""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from hodor.errors import HodorError
from hodor.formats.drawn_masks import refuse_black_objects, refuse_blurring_format
from hodor.formats.inference_json import MAX_OBJECT_ID
from hodor.formats.label_maps import VOID
from hodor.formats.soft_edges import refuse_soft_edges
from hodor.media.images import COLOUR_MODES

Picture = np.ndarray | torch.Tensor | Image.Image
Masks = Mapping[int, Picture] | Picture
_UNSIGNED = {torch.uint16, torch.uint32, torch.uint64}  # of which PyTorch knows little more than the names


def frame_tensor(frame: Picture, video_size: tuple[int, int] | None = None) -> torch.Tensor:
    """A frame as in `Segmenter.step` as [3, H, W], uint8 or floats, wherever it lies; `video_size` is that of those before it.

    Raises:
        HodorError: it has another shape, other numbers or another size.
    """
    if isinstance(frame, Image.Image):
        if frame.mode not in COLOUR_MODES:
            raise HodorError(f"a frame of PIL's mode {frame.mode} is not supported; convert it to 8-bit RGB")
        frame = np.array((frame.convert("RGBA") if frame.mode in {"P", "PA"} else frame).convert("RGB"))
    tensor = _tensor(frame, "a frame")
    if isinstance(frame, np.ndarray) and tensor.ndim == 3:
        tensor = tensor.permute(2, 0, 1)
    if tensor.ndim != 3 or tensor.shape[0] != 3 or 0 in tensor.shape:
        raise HodorError(f"a frame must be an array [H, W, 3], a tensor [3, H, W] or a PIL image, not {list(np.shape(frame))}")
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        kind = str(getattr(frame, "dtype", tensor.dtype)).removeprefix("torch.")
        raise HodorError(f"a frame must be uint8 or floats in 0..255, not {kind}; make it uint8 (16 bits: divide by 257 first)")
    size = (tensor.shape[1], tensor.shape[2])
    if video_size not in (None, size):
        raise HodorError(f"the frame is {_shown(size)}, but the video began with {_shown(video_size)} (height x width)")
    return tensor


def reaches_255(frame: torch.Tensor, *, reached: bool) -> bool:
    """Makes sure that the values of a frame [3, H, W] are 0..255, as far as they tell.

    Whether a frame of floats before it had values above 1 is `reached`: this one may then be darker. Returns what `reached` is
    for the next frame.

    Raises:
        HodorError: values are NaN, infinite, below 0 or above 255, or so far in the video none is above 1 and not all are 0.
    """
    if not frame.is_floating_point():
        return reached
    low, high = (value.item() for value in frame.float().aminmax())
    if not np.isfinite([low, high]).all():
        raise HodorError("the frame holds NaN or infinity; its values must be 0..255")
    values = f"the frame's values are {low:.4g}..{high:.4g}"
    if low < 0 or high > 255:
        raise HodorError(f"{values} instead of 0..255; undo the normalisation, or clip them")
    if 0 < high <= 1 and not reached:
        raise HodorError(f"{values}, not 0..255; multiply by 255, or make a nearly black frame uint8")
    return reached or high > 1


def object_masks(given: Masks | None, size: tuple[int, int], device: torch.device) -> dict[int, torch.Tensor]:
    """Masks as in `Segmenter.step` for a frame of a size, as {object id: [H, W] bool on the device}, in the order given.

    Raises:
        HodorError: a mask is empty, of another size or kind, or an id is out of range; the message names the object.
    """
    if given is None:
        return {}
    by_object = given if isinstance(given, Mapping) else _by_object(given)
    ids = [known_id(key) for key in by_object]
    return {each: _object_mask(each, mask, size, device) for each, mask in zip(ids, by_object.values(), strict=True)}


def known_id(key: Any) -> int:
    """The id of an object, 1..255; a HodorError says so where it is none."""
    try:
        object_id = operator.index(key)
    except TypeError:
        raise HodorError(
            f"object ids are whole numbers from 1 to {MAX_OBJECT_ID}, not {key!r}; number the objects: {{1: mask}}"
        ) from None
    if not 1 <= object_id <= MAX_OBJECT_ID:
        raise HodorError(f"object ids are 1..{MAX_OBJECT_ID}, not {object_id}")
    return object_id


def _object_mask(object_id: int, mask: Picture, size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """[H, W] bool on the device."""
    what = f"object {object_id}: its mask"
    tensor = _tensor(mask, what).to(device)
    if tuple(tensor.shape) != size:
        raise HodorError(f"{what} is {_shown(tensor.shape)}, but the frame is {_shown(size)} (height x width)")
    threshold = 0.0
    if tensor.is_floating_point():
        low, high = (value.item() for value in tensor.float().aminmax())
        if not low >= 0:
            raise HodorError(f"{what} holds NaN or values below 0; give probabilities in 0..1, or for logits: mask > 0")
        threshold = 0.5 if high <= 1 else 0.0
    found = tensor > threshold
    if not found.any():
        raise HodorError(f"{what} is empty" + (": no probability is above 0.5" if threshold and high > 0 else ""))
    return found


def _by_object(given: Picture) -> dict[int, torch.Tensor]:
    """A label map as {object id: [H, W] bool}, unless its values can't be ids."""
    what = "the label map"
    if isinstance(given, Image.Image):
        refuse_blurring_format(given, what)
        if given.mode == "P":
            refuse_black_objects(given, np.asarray(given), what)
    labels = _tensor(given, "a label map")
    if labels.ndim != 2:
        raise HodorError(
            f"a label map must be [H, W] of object ids, not {list(labels.shape)}; several masks: {{object id: [H, W] mask}}"
        )
    if labels.dtype == torch.uint8:
        refuse_soft_edges(labels.cpu().numpy(), what)
    values = labels.unique()
    if values.is_floating_point() and not (values.isfinite() & (values == values.round())).all():
        raise HodorError("a label map holds object ids, which are whole numbers; give probabilities as {object id: mask}")
    ids = [int(value) for value in values if value != 0]
    if ids == [VOID]:
        return {1: labels == VOID}
    return {object_id: labels == object_id for object_id in ids if object_id != VOID}


def _tensor(values: Any, what: str) -> torch.Tensor:
    """A tensor of the same numbers, in memory that may be shared where PyTorch can do that."""
    if isinstance(values, torch.Tensor):
        return values.long() if values.dtype in _UNSIGNED else values
    try:
        array = np.asarray(values)
        if array.dtype.kind == "u" and array.dtype.itemsize > 1:
            array = array.astype(np.int64)
        if not array.flags.writeable or not array.dtype.isnative or min(array.strides, default=0) < 0:
            array = array.astype(array.dtype.newbyteorder("="), order="C")
        return torch.as_tensor(array)
    except (TypeError, ValueError):
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise HodorError(f"{what} must be an array or a tensor of numbers, or a PIL image, not {kind}") from None


def _shown(size: Any) -> str:
    return " x ".join(str(side) for side in size)
