"""What is remembered of the past: a few descriptors per frame, whatever the frame's size."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from hodor.errors import HodorError
from hodor.modelling.descriptors import DescribedFrames

LONG_TERM_SLOTS = 8
"""How many frames are kept beyond the window at most."""


@dataclass
class _Slot:
    """Descriptors of one frame: {object id: [C]} and [Qb, C], or None where the background is unknown.

    `unsure` has a bool [] for objects that may be too unsure to count, on the device, which nobody waits for.
    """

    objects: dict[int, torch.Tensor]
    background: torch.Tensor | None
    unsure: dict[int, torch.Tensor] = field(default_factory=dict)


class DescriptorMemory:
    """Descriptors by frame and object id, within a window of time.

    A frame and object cost 1 KB. Frames that leave the window are forgotten, but for a bounded number: the memory is constant.
    """

    def __init__(
        self,
        temporal_window: int,
        *,
        permanent_reference: bool = False,
        keep_sure: bool = False,
        long_term_interval: int = 0,
        constant_frames: bool = False,
    ) -> None:
        """Starts empty.

        Args:
            temporal_window: how many frames before the current one are remembered, at least 1.
            permanent_reference: also keep, in a slot of its own, what each object looked like where its mask was last given,
                and the background of the first such frame, once those frames have left the window.
            keep_sure: keep, in a slot of its own, what each object looked like when it was last sure, for the time in which it
                is unsure in all other frames; needed where objects are written as unsure.
            long_term_interval: also keep every n-th frame beyond the window, 0 for none; whenever they become more than
                `LONG_TERM_SLOTS`, every second one is forgotten.
            constant_frames: recall always the same number of frames T, those that are missing as absent: what is compiled for
                one shape serves the whole video.
        """
        beyond = int(permanent_reference) + (LONG_TERM_SLOTS if long_term_interval else 0)
        self._least_frames = temporal_window + 1 + beyond if constant_frames else 0
        self.temporal_window = temporal_window
        self.permanent_reference = permanent_reference
        self.keep_sure = keep_sure
        self.long_term_interval = long_term_interval
        self._slots: dict[int, _Slot] = {}
        self._references: dict[int, tuple[int, torch.Tensor]] = {}
        self._reference_background: tuple[int, torch.Tensor] | None = None
        self._last_sure: dict[int, torch.Tensor] = {}
        self._views: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def has_frames(self) -> bool:
        """Whether any frame of this video is remembered."""
        return bool(self._slots)

    def write(
        self,
        frame: int,
        object_ids: Sequence[int],
        objects: torch.Tensor,
        background: torch.Tensor | None,
        *,
        unsure: torch.Tensor | None = None,
    ) -> None:
        """Remembers a frame, replacing what was known of it.

        Args:
            frame: its index.
            object_ids: of the I objects.
            objects: [1, I, C].
            background: [1, Qb, C] or None.
            unsure: [I] bool, True = this object's descriptor shall not be recalled; None = all shall.
        """
        slot = _Slot(dict(zip(object_ids, objects[0], strict=True)), None if background is None else background[0])
        if unsure is not None:
            slot.unsure = dict(zip(object_ids, unsure, strict=True))
        for object_id, descriptor in slot.objects.items():
            flag, before = slot.unsure.get(object_id), self._last_sure.get(object_id, descriptor)
            self._last_sure[object_id] = descriptor if flag is None else torch.where(flag, before, descriptor)
        self._slots[frame] = slot
        outside = [index for index in self._slots if index < frame - self.temporal_window]
        for old in set(outside).difference(self._long_term(outside)):
            del self._slots[old]

    def write_reference(self, frame: int, object_ids: Sequence[int], objects: torch.Tensor, background: torch.Tensor) -> None:
        """Remembers, for the permanent slot, a frame in which masks were given; shapes as in `write`."""
        if not self.permanent_reference:
            return
        for object_id, descriptor in zip(object_ids, objects[0], strict=True):
            self._references[object_id] = (frame, descriptor)
        if self._reference_background is None:
            self._reference_background = (frame, background[0])

    def write_views(self, object_id: int, objects: torch.Tensor, backgrounds: torch.Tensor) -> None:
        """Remembers for good what an object looks like in V views of other videos or pictures: [V, C] and [V, Qb, C].

        As long as there are any, unsure descriptors are not recalled, as with `keep_sure`.
        """
        self._views[object_id] = objects, backgrounds
        self._last_sure[object_id] = objects[0]

    def views(self, object_id: int) -> torch.Tensor | None:
        """The descriptors [V, C] that `write_views` was given; None where there are none."""
        return self._views[object_id][0] if object_id in self._views else None

    def recall(self, frame: int, object_ids: Sequence[int]) -> DescribedFrames:
        """What is known of some objects and the background at a frame: its window, and what is kept beyond it.

        Each object must be known in at least one of these T frames. Descriptors [1, I, T, C] and [1, Qb, T, C] are zeros where
        absent.

        Raises:
            HodorError: nothing is known, since the frames before weren't written.
        """
        start = frame - self.temporal_window
        slots = [slot for index, slot in sorted(self._slots.items()) if start <= index <= frame]
        slots += self._permanent_slot(start)
        slots += [self._slots[index] for index in sorted(self._long_term([each for each in self._slots if each < start]))]
        for object_id, views in self._views.items():
            slots += [_Slot({object_id: descriptor}, background) for descriptor, background in zip(*views, strict=True)]
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
        described = DescribedFrames(objects[None], background[None], objects_absent, background_absent)
        return self._with_last_sure(described, slots, object_ids) if self.keep_sure or self._views else described

    def forget_object(self, object_id: int) -> None:
        """Drops an object from every frame."""
        for slot in self._slots.values():
            slot.objects.pop(object_id, None)
            slot.unsure.pop(object_id, None)
        self._references.pop(object_id, None)
        self._last_sure.pop(object_id, None)
        self._views.pop(object_id, None)

    def forget_backgrounds_except(self, frame: int) -> None:
        """Drops the background of every frame but one, and the frames of which nothing is left then."""
        kept = self._slots[frame].background
        self._slots = {
            index: slot if index == frame else replace(slot, background=None)
            for index, slot in self._slots.items()
            if index == frame or slot.objects
        }
        if self._reference_background is not None and kept is not None:
            self._reference_background = (frame, kept)

    def state_dict(self) -> dict[str, Any]:
        """Everything remembered, as plain dictionaries of tensors (kilobytes)."""
        return {
            "slots": {index: (dict(slot.objects), slot.background, dict(slot.unsure)) for index, slot in self._slots.items()},
            "references": dict(self._references),
            "reference_background": self._reference_background,
            "last_sure": dict(self._last_sure),
            "views": dict(self._views),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what `state_dict` gave."""
        self._slots = {
            index: _Slot(dict(objects), background, dict(unsure))
            for index, (objects, background, unsure) in state["slots"].items()
        }
        self._references = dict(state["references"])
        self._reference_background = state["reference_background"]
        self._last_sure = dict(state["last_sure"])
        self._views = dict(state["views"])

    def _permanent_slot(self, window_start: int) -> list[_Slot]:
        """The permanent slot with what has left the window, or nothing where all is still in it."""
        objects = {object_id: descriptor for object_id, (frame, descriptor) in self._references.items() if frame < window_start}
        background = None
        if self._reference_background is not None and self._reference_background[0] < window_start:
            background = self._reference_background[1]
        return [_Slot(objects, background)] if objects or background is not None else []

    def _long_term(self, frames: Sequence[int]) -> list[int]:
        """Those of some frames outside the window that are kept."""
        interval = self.long_term_interval
        kept = [frame for frame in frames if interval and frame % interval == 0]
        while len(kept) > LONG_TERM_SLOTS:
            interval *= 2
            kept = [frame for frame in kept if frame % interval == 0]
        return kept

    def _with_last_sure(self, described: DescribedFrames, slots: Sequence[_Slot], object_ids: Sequence[int]) -> DescribedFrames:
        """Without unsure descriptors, and with one frame more, in which objects are known that are unsure in all others."""
        objects, background, objects_absent, background_absent = described
        certain = torch.zeros((), dtype=torch.bool, device=objects.device)
        absent = torch.stack([torch.stack([slot.unsure.get(object_id, certain) for slot in slots]) for object_id in object_ids])
        absent = absent[None] if objects_absent is None else absent | objects_absent
        last = torch.stack([self._last_sure[object_id] for object_id in object_ids])[None, :, None]
        if background_absent is None:
            background_absent = torch.zeros_like(background[..., 0], dtype=torch.bool)
        return DescribedFrames(
            torch.cat([objects, last], dim=2),
            torch.cat([background, torch.zeros_like(background[:, :, :1])], dim=2),
            torch.cat([absent, ~absent.all(dim=2, keepdim=True)], dim=2),
            torch.cat([background_absent, torch.ones_like(background_absent[:, :, :1])], dim=2),
        )


@functools.lru_cache(maxsize=64)
def _flags(absent: tuple[tuple[bool, ...], ...], device: torch.device) -> torch.Tensor | None:
    """[1, N, T] bool, copied to the device once, or None where nothing is absent."""
    with torch.inference_mode(False):
        return torch.tensor([absent], device=device) if any(map(any, absent)) else None
