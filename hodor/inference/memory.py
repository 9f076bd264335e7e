"""What is remembered of the past: a few descriptors per frame, whatever the frame's size."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hodor.errors import HodorError
from hodor.modelling.descriptors import DescribedFrames


@dataclass
class _Slot:
    """Descriptors of one frame: {object id: [C]} and [Qb, C], or None where the background is unknown."""

    objects: dict[int, torch.Tensor]
    background: torch.Tensor | None


class DescriptorMemory:
    """Descriptors by frame and object id, within a window of time.

    A frame and object cost 1 KB. Frames that leave the window are forgotten, and only they make room: the memory is constant.
    """

    def __init__(self, temporal_window: int, *, permanent_reference: bool = False, constant_frames: bool = False) -> None:
        """Starts empty.

        Args:
            temporal_window: how many frames before the current one are remembered, at least 1.
            permanent_reference: also keep, in a slot of its own, what each object looked like where its mask was last given,
                and the background of the first such frame, once those frames have left the window.
            constant_frames: recall always the same number of frames T, those that are missing as absent: what is compiled for
                one shape serves the whole video.
        """
        self._least_frames = temporal_window + 1 + int(permanent_reference) if constant_frames else 0
        self.temporal_window = temporal_window
        self.permanent_reference = permanent_reference
        self._slots: dict[int, _Slot] = {}
        self._references: dict[int, tuple[int, torch.Tensor]] = {}
        self._reference_background: tuple[int, torch.Tensor] | None = None

    def write(self, frame: int, object_ids: Sequence[int], objects: torch.Tensor, background: torch.Tensor | None) -> None:
        """Remembers a frame, replacing what was known of it.

        Args:
            frame: its index.
            object_ids: of the I objects.
            objects: [1, I, C].
            background: [1, Qb, C] or None.
        """
        slot = _Slot(dict(zip(object_ids, objects[0], strict=True)), None if background is None else background[0])
        self._slots[frame] = slot
        for old in [index for index in self._slots if index < frame - self.temporal_window]:
            del self._slots[old]

    def write_reference(self, frame: int, object_ids: Sequence[int], objects: torch.Tensor, background: torch.Tensor) -> None:
        """Remembers, for the permanent slot, a frame in which masks were given; shapes as in `write`."""
        if not self.permanent_reference:
            return
        for object_id, descriptor in zip(object_ids, objects[0], strict=True):
            self._references[object_id] = (frame, descriptor)
        if self._reference_background is None:
            self._reference_background = (frame, background[0])

    def recall(self, frame: int, object_ids: Sequence[int]) -> DescribedFrames:
        """What is known of some objects and the background at a frame: its window, and the permanent slot where there is one.

        Each object must be known in at least one of these T frames. Descriptors [1, I, T, C] and [1, Qb, T, C] are zeros where
        absent.

        Raises:
            HodorError: nothing is known, since the frames before weren't written.
        """
        slots = [slot for index, slot in sorted(self._slots.items()) if frame - self.temporal_window <= index <= frame]
        slots += self._permanent_slot(frame - self.temporal_window)
        slots += [_Slot({}, None)] * (self._least_frames - len(slots))
        known_background = next((slot.background for slot in slots if slot.background is not None), None)
        if known_background is None:
            raise HodorError("the frame before was said to be the last, so nothing is remembered of it; call reset() first")
        nothing = torch.zeros_like(known_background[0])
        objects = torch.stack(
            [torch.stack([slot.objects.get(object_id, nothing) for slot in slots]) for object_id in object_ids]
        )
        background = torch.stack(
            [torch.zeros_like(known_background) if slot.background is None else slot.background for slot in slots], dim=1
        )
        of_objects = tuple(tuple(object_id not in slot.objects for slot in slots) for object_id in object_ids)
        of_background = (tuple(slot.background is None for slot in slots),) * len(known_background)
        objects_absent, background_absent = _flags(of_objects, objects.device), _flags(of_background, objects.device)
        return DescribedFrames(objects[None], background[None], objects_absent, background_absent)

    def forget_object(self, object_id: int) -> None:
        """Drops an object from every frame."""
        for slot in self._slots.values():
            slot.objects.pop(object_id, None)
        self._references.pop(object_id, None)

    def state_dict(self) -> dict[str, Any]:
        """Everything remembered, as plain dictionaries of tensors (kilobytes)."""
        return {
            "slots": {index: (dict(slot.objects), slot.background) for index, slot in self._slots.items()},
            "references": dict(self._references),
            "reference_background": self._reference_background,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what `state_dict` gave."""
        self._slots = {index: _Slot(dict(objects), background) for index, (objects, background) in state["slots"].items()}
        self._references = dict(state["references"])
        self._reference_background = state["reference_background"]

    def _permanent_slot(self, window_start: int) -> list[_Slot]:
        """The permanent slot with what has left the window, or nothing where all is still in it."""
        objects = {object_id: descriptor for object_id, (frame, descriptor) in self._references.items() if frame < window_start}
        background = None
        if self._reference_background is not None and self._reference_background[0] < window_start:
            background = self._reference_background[1]
        return [_Slot(objects, background)] if objects or background is not None else []


@functools.lru_cache(maxsize=64)
def _flags(absent: tuple[tuple[bool, ...], ...], device: torch.device) -> torch.Tensor | None:
    """[1, N, T] bool, copied to the device once, or None where nothing is absent."""
    with torch.inference_mode(False):
        return torch.tensor([absent], device=device) if any(map(any, absent)) else None
