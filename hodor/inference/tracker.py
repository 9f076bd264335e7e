"""One step per frame at the network's own size: decode with what is remembered, describe again, remember."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hodor.inference.memory import DescriptorMemory, MemorySettings
from hodor.modelling.features import Features
from hodor.modelling.model import HODOR
from hodor.modelling.soft_masks import object_confidences, shrink_keeping_small


class DescriptorTracker:
    """Follows objects from frame to frame. Between frames only descriptors are kept.

    Attributes:
        memory: what it goes by, with the ids of the objects that it knows.
        vanishing: ids of objects given in the last frame that are too small for stride 8 and kept as one block there.
        presences: {id: [] in [0, 1]}, how likely it is that objects known from elsewhere are in the last frame.
    """

    def __init__(self, model: HODOR, settings: MemorySettings, *, constant_frames: bool = False) -> None:
        """Begins a video; see `DescriptorMemory` for `constant_frames`."""
        self.model = model
        self.memory = DescriptorMemory(settings, constant_frames=constant_frames)
        self.vanishing: list[int] = []
        self.presences: dict[int, torch.Tensor] = {}
        self._settings = settings
        self._frame = -1

    def step(
        self,
        image: torch.Tensor,
        new_masks: Mapping[int, torch.Tensor],
        *,
        features: Features | None = None,
        remember: bool = True,
    ) -> torch.Tensor | None:
        """Takes the next frame.

        Args:
            image: prepared (normalised and padded), [1, 3, H, W].
            new_masks: {object id: [H, W] of 0.0 and 1.0} of objects that start here or are given anew; where two overlap,
                the later one counts.
            features: of the image, where they are known already.
            remember: False on the last frame of a video, where nothing needs to be described any more.

        Returns:
            Logits [1, K + I, H/4, W/4] over background channels and the memory's `object_ids`, predicted from the other frames;
            None where all objects start here, or none is known.
        """
        self._frame += 1
        known = self.memory.object_ids
        self.vanishing, self.presences = [], {}
        if not known and not new_masks:
            return None
        if features is None:
            features = self.model.extract_features(image)
        if new_masks:
            self._take_up(features, new_masks)
        if not known:
            return None
        object_ids = self.memory.object_ids
        logits = self.model.segment(features, self.memory.recall(self._frame, object_ids)).float()
        looked_for = [each for each in object_ids if each in self.memory.views and each not in new_masks]
        if not (remember or looked_for):
            return logits
        given = {object_ids.index(object_id): mask for object_id, mask in new_masks.items()}
        described = self.model.describe_predicted(features, logits, given=given)
        unsure = None
        if looked_for or self._settings.min_confidence:
            confidences = object_confidences(logits, self.model.num_background_channels)[0]
            unsure = confidences < self._settings.min_confidence
            for index in given:
                unsure[index] = False
            if looked_for:
                absent = self._absent(confidences, described.objects[0], looked_for)
                channels = absent.nonzero()[:, 0] + self.model.num_background_channels
                logits, unsure = logits.index_fill(1, channels, -torch.inf), absent | unsure
        if remember:
            self.memory.write(self._frame, object_ids, described.objects, described.background, unsure=unsure)
            if self._settings.corrections_replace and not set(known).isdisjoint(new_masks):
                self.memory.forget_backgrounds_except(self._frame)
        return logits

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {"frame": self._frame, "object_ids": self.memory.object_ids, "memory": self.memory.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._frame = state["frame"]
        self.memory.load_state_dict(state["memory"])

    def _take_up(self, features: Features, new_masks: Mapping[int, torch.Tensor]) -> None:
        """Describes given masks and remembers them, with the background only if nothing was known before."""
        first = not (self.memory.object_ids and self.memory.has_frames)
        ids, masks = list(new_masks), torch.stack(list(new_masks.values()))[None]
        described = self.model.describe_given(features, masks, keep_small=True)
        vanished = shrink_keeping_small(masks)[1][0].tolist()
        self.vanishing = [object_id for object_id, gone in zip(ids, vanished, strict=True) if gone]
        if self._settings.corrections_replace:
            for object_id in ids:
                self.memory.forget_object(object_id)
        self.memory.write(self._frame, ids, described.objects, described.background if first else None)
        self.memory.write_reference(self._frame, ids, described.objects, described.background)

    def _absent(self, confidences: torch.Tensor, objects: torch.Tensor, looked_for: Sequence[int]) -> torch.Tensor:
        """Which objects aren't in the frame, [I] bool, by how sure their masks are, [I], and what these show, [I, C].

        The presence of an object is the mean of how sure its mask is, and of how alike what the mask shows and the nearest
        view are (cosine). Either alone mistakes more.
        """
        absent = torch.zeros_like(confidences, dtype=torch.bool)
        for object_id in looked_for:
            index, (views, _) = self.memory.object_ids.index(object_id), self.memory.views[object_id]
            alike = torch.cosine_similarity(objects[index].float(), views.float(), dim=-1).max()
            self.presences[object_id] = (confidences[index] + alike).clamp(min=0) / 2
            absent[index] = self.presences[object_id] < self._settings.presence_threshold
        return absent
