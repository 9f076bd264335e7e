"""What is remembered of the past: a few descriptors per frame, whatever the frame's size."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from hodor.errors import HodorError
from hodor.modelling.descriptors import DescribedFrames

LONG_TERM_SLOTS = 8
"""How many frames are kept beyond the window at most."""
_Slot = tuple[dict[int, torch.Tensor], torch.Tensor | None, dict[int, torch.Tensor]]
"""Of a frame: descriptors of objects, {id: [C]}; of the background, [Qb, C] or None where unknown; and {id: bool []} of objects
that may be too unsure to count, on the device, which nobody waits for. Never changed, only replaced."""


class MemorySettings(NamedTuple):
    """What of a video is remembered, and what counts as seen; `Segmenter` explains each. The original knows only the first."""

    temporal_window: int = 7
    permanent_reference: bool = False
    min_confidence: float = 0.0
    long_term_interval: int = 0
    corrections_replace: bool = False
    presence_threshold: float = 0.0


class DescriptorMemory:
    """Descriptors by frame and object id, within a window of time.

    A frame and object cost 1 KB. Frames that leave the window are forgotten, but for a bounded number: the memory is constant.
    Of those outside the window, every n-th is kept with `long_term_interval`, and every second of these forgotten whenever they
    become more than `LONG_TERM_SLOTS`; with `permanent_reference`, what objects looked like where their masks were last given
    and the background of the first such frame; and always how objects looked when they were last sure.

    Attributes:
        views: {object id: ([V, C], [V, Qb, C])}, what objects and their backgrounds look like in other videos or pictures.
    """

    def __init__(self, settings: MemorySettings, *, constant_frames: bool = False) -> None:
        """Starts empty.

        With `constant_frames` it always recalls the same number of frames T, those that are missing as absent: what is
        compiled for one shape serves the whole video.
        """
        self._settings = settings
        beyond = int(settings.permanent_reference) + (LONG_TERM_SLOTS if settings.long_term_interval else 0)
        self._least_frames = settings.temporal_window + 1 + beyond if constant_frames else 0
        self._slots: dict[int, _Slot] = {}
        self._references: dict[int, tuple[int, torch.Tensor]] = {}
        self._reference_background: tuple[int, torch.Tensor] | None = None
        self._last_sure: dict[int, torch.Tensor] = {}
        self.views: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def object_ids(self) -> list[int]:
        """All objects that are known, ascending."""
        return sorted(self._last_sure)

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
        """Remembers objects [1, I, C] and background [1, Qb, C] of a frame, replacing what was known of it.

        Where `unsure`, [I] bool, is true, the object's descriptor shall not be recalled.
        """
        descriptors = dict(zip(object_ids, objects[0], strict=True))
        flags = {} if unsure is None else dict(zip(object_ids, unsure, strict=True))
        for object_id, descriptor in descriptors.items():
            before = self._last_sure.get(object_id, descriptor)
            self._last_sure[object_id] = torch.where(flags[object_id], before, descriptor) if flags else descriptor
        self._slots[frame] = descriptors, None if background is None else background[0], flags
        start = frame - self._settings.temporal_window
        kept = self._long_term(start)
        self._slots = {index: slot for index, slot in self._slots.items() if index >= start or index in kept}

    def write_reference(self, frame: int, object_ids: Sequence[int], objects: torch.Tensor, background: torch.Tensor) -> None:
        """Remembers for good, where the settings say so, a frame in which masks were given; shapes as in `write`."""
        if self._settings.permanent_reference:
            self._references |= {each: (frame, descriptor) for each, descriptor in zip(object_ids, objects[0], strict=True)}
            self._reference_background = self._reference_background or (frame, background[0])

    def write_views(self, object_id: int, objects: torch.Tensor, backgrounds: torch.Tensor) -> None:
        """Remembers V views for good; while there are any, unsure descriptors aren't recalled, as with `min_confidence`."""
        self.forget_object(object_id)
        self.views[object_id] = objects, backgrounds
        self._last_sure[object_id] = objects[0]

    def recall(self, frame: int, object_ids: Sequence[int]) -> DescribedFrames:
        """What is known of some objects and the background at a frame: its window, and what is kept beyond it.

        Each object must be known in at least one of these frames. Descriptors are zeros where absent.

        Raises:
            HodorError: nothing is known, since the frames before weren't written.
        """
        slots = self._slots_at(frame)
        known_background = next((background for _, background, _ in slots if background is not None), None)
        if known_background is None:
            raise HodorError("the frame before was said to be the last, so nothing is remembered of it; call reset() first")
        sure_only = bool(self._settings.min_confidence or self.views)
        if sure_only:
            slots.append((self._last_sure, None, {}))
        nothing, no_background = torch.zeros_like(known_background[0]), torch.zeros_like(known_background)
        objects = torch.stack(
            [torch.stack([descriptors.get(each, nothing) for descriptors, _, _ in slots]) for each in object_ids]
        )
        background = torch.stack([no_background if each is None else each for _, each, _ in slots], dim=1)
        of_objects = tuple(tuple(each not in descriptors for descriptors, _, _ in slots) for each in object_ids)
        of_background = (tuple(each is None for _, each, _ in slots),) * len(known_background)
        absent = _flags(of_objects, objects.device)
        if sure_only:
            certain = torch.zeros((), dtype=torch.bool, device=objects.device)
            unsure = torch.stack([torch.stack([flags.get(each, certain) for _, _, flags in slots]) for each in object_ids])
            absent = unsure[None] if absent is None else absent | unsure
            absent[:, :, -1] = ~absent[:, :, :-1].all(dim=2)  # how it was last sure counts where nothing else does
        return DescribedFrames(objects[None], background[None], absent, _flags(of_background, objects.device))

    def forget_object(self, object_id: int) -> None:
        """Drops an object from every frame."""
        for frame, (descriptors, background, flags) in self._slots.items():
            self._slots[frame] = _without(object_id, descriptors), background, _without(object_id, flags)
        for kept in (self._references, self._last_sure, self.views):
            kept.pop(object_id, None)

    def forget_backgrounds_except(self, frame: int) -> None:
        """Drops the background of every frame but one, and the frames of which nothing is left then."""
        only = self._slots[frame]
        others = {index: (objects, None, unsure) for index, (objects, _, unsure) in self._slots.items() if objects}
        self._slots = others | {frame: only}
        if self._reference_background is not None and only[1] is not None:
            self._reference_background = (frame, only[1])

    def state_dict(self) -> dict[str, Any]:
        """Everything remembered, as plain dictionaries of tensors (kilobytes)."""
        return {
            "slots": dict(self._slots),
            "references": dict(self._references),
            "reference_background": self._reference_background,
            "last_sure": dict(self._last_sure),
            "views": dict(self.views),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._slots, self._references = dict(state["slots"]), dict(state["references"])
        self._reference_background = state["reference_background"]
        self._last_sure, self.views = dict(state["last_sure"]), dict(state["views"])

    def _slots_at(self, frame: int) -> list[_Slot]:
        """All that counts at a frame, in the order in which the network shall see it."""
        start = frame - self._settings.temporal_window
        slots = [slot for index, slot in sorted(self._slots.items()) if start <= index <= frame]
        objects = {each: descriptor for each, (given, descriptor) in self._references.items() if given < start}
        background = None
        if self._reference_background is not None and self._reference_background[0] < start:
            background = self._reference_background[1]
        if objects or background is not None:
            slots.append((objects, background, {}))
        slots += [self._slots[index] for index in self._long_term(start)]
        for object_id, views in self.views.items():
            slots += [({object_id: descriptor}, background, {}) for descriptor, background in zip(*views, strict=True)]
        return slots + [({}, None, {})] * (self._least_frames - len(slots))

    def _long_term(self, start: int) -> list[int]:
        """The frames before a window's start that are kept, in order."""
        interval = self._settings.long_term_interval
        kept = [frame for frame in sorted(self._slots) if frame < start and interval and frame % interval == 0]
        while len(kept) > LONG_TERM_SLOTS:
            interval *= 2
            kept = [frame for frame in kept if frame % interval == 0]
        return kept


def _without(object_id: int, by_object: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
    return {each: tensor for each, tensor in by_object.items() if each != object_id}


@functools.lru_cache(maxsize=64)
def _flags(absent: tuple[tuple[bool, ...], ...], device: torch.device) -> torch.Tensor | None:
    """[1, N, T] bool, copied to the device once, or None where nothing is absent."""
    with torch.inference_mode(False):
        return torch.tensor([absent], device=device) if any(map(any, absent)) else None
