"""One step per frame at the network's own size: decode with what is remembered, describe again, remember."""

from collections.abc import Collection, Mapping
from typing import Any

import torch

from hodor.inference.memory import DescriptorMemory
from hodor.modelling.features import Features
from hodor.modelling.model import HODOR
from hodor.modelling.soft_masks import object_confidences, shrink_keeping_small


class DescriptorTracker:
    """Follows objects from frame to frame. Between frames only descriptors are kept.

    Attributes:
        object_ids: known objects, ascending; the order of the logits' object channels.
        vanishing: ids of objects given in the last frame that are too small for stride 8 and kept as one block there.
        presences: {id: [] in [0, 1]}, how likely it is that objects known from elsewhere are in the last frame.
    """

    def __init__(
        self,
        model: HODOR,
        *,
        temporal_window: int,
        permanent_reference: bool = False,
        min_confidence: float = 0.0,
        long_term_interval: int = 0,
        corrections_replace: bool = False,
        presence_threshold: float = 0.0,
        constant_frames: bool = False,
    ) -> None:
        """Begins a video.

        Args:
            model: the network.
            temporal_window: see `DescriptorMemory`, as for the other numbers that aren't explained here.
            permanent_reference: likewise.
            min_confidence: a predicted mask whose mean probability is lower isn't remembered; an empty one has 0. An object
                without a sure mask among the remembered frames is remembered as it was in its last sure one.
            long_term_interval: likewise.
            corrections_replace: a mask that is given anew replaces all that was remembered of its object and the backgrounds,
                which may have held it; else it only adds to them, as in the original.
            presence_threshold: an object that is known from elsewhere and less likely to be in a frame isn't found there.
            constant_frames: likewise.
        """
        self.model = model
        self.memory = DescriptorMemory(
            temporal_window,
            permanent_reference=permanent_reference,
            keep_sure=min_confidence > 0,
            long_term_interval=long_term_interval,
            constant_frames=constant_frames,
        )
        self.object_ids: list[int] = []
        self.vanishing: list[int] = []
        self.presences: dict[int, torch.Tensor] = {}
        self._min_confidence = min_confidence
        self._presence_threshold = presence_threshold
        self._corrections_replace = corrections_replace
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
            Logits [1, K + I, H/4, W/4] over background channels and `object_ids`, predicted from the other frames; None where
            all objects start here, or none is known.
        """
        self._frame += 1
        known = list(self.object_ids)
        self.vanishing, self.presences = [], {}
        if not known and not new_masks:
            return None
        if features is None:
            features = self.model.extract_features(image)
        if new_masks:
            self._take_up(features, new_masks, first=not (known and self.memory.has_frames))
        if not known:
            return None
        logits = self.model.segment(features, self.memory.recall(self._frame, self.object_ids)).float()
        views = {object_id: self.memory.views(object_id) for object_id in self.object_ids if object_id not in new_masks}
        from_elsewhere = {object_id: each for object_id, each in views.items() if each is not None}
        if remember or from_elsewhere:
            given = {self.object_ids.index(object_id): mask for object_id, mask in new_masks.items()}
            described = self.model.describe_predicted(features, logits, given=given)
            absent = self._absent(logits, described.objects[0], from_elsewhere) if from_elsewhere else None
            unsure = self._unsure(logits, given) if self._min_confidence else None
            if absent is not None:
                unsure = absent if unsure is None else absent | unsure
                channels = absent.nonzero()[:, 0] + self.model.num_background_channels
                logits = logits.index_fill(1, channels, -torch.inf)
            if remember:
                self.memory.write(self._frame, self.object_ids, described.objects, described.background, unsure=unsure)
                if self._corrections_replace and not set(known).isdisjoint(new_masks):
                    self.memory.forget_backgrounds_except(self._frame)
        return logits

    def add_object(self, object_id: int, objects: torch.Tensor, backgrounds: torch.Tensor) -> None:
        """Begins to look for an object in the frames to come, by V views of it: [V, C] and [V, Qb, C] on the model's device."""
        self.memory.forget_object(object_id)
        self.memory.write_views(object_id, objects, backgrounds)
        self.object_ids = sorted({*self.object_ids, object_id})

    def remove_object(self, object_id: int) -> None:
        """Forgets an object; its id may be given again later."""
        self.object_ids.remove(object_id)
        self.memory.forget_object(object_id)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {"frame": self._frame, "object_ids": list(self.object_ids), "memory": self.memory.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what `state_dict` gave."""
        self._frame = state["frame"]
        self.object_ids = list(state["object_ids"])
        self.memory.load_state_dict(state["memory"])

    def _take_up(self, features: Features, new_masks: Mapping[int, torch.Tensor], *, first: bool) -> None:
        """Describes given masks and remembers them, with the background only if nothing was known before."""
        ids, masks = list(new_masks), torch.stack(list(new_masks.values()))[None]
        described = self.model.describe_given(features, masks, keep_small=True)
        vanished = shrink_keeping_small(masks)[1][0].tolist()
        self.vanishing = [object_id for object_id, gone in zip(ids, vanished, strict=True) if gone]
        if self._corrections_replace:
            for object_id in ids:
                self.memory.forget_object(object_id)
        self.memory.write(self._frame, ids, described.objects, described.background if first else None)
        self.memory.write_reference(self._frame, ids, described.objects, described.background)
        self.object_ids = sorted({*self.object_ids, *ids})

    def _absent(self, logits: torch.Tensor, objects: torch.Tensor, views: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """Which objects aren't in the frame, [I] bool, by what their masks show [I, C]; only those of which there are views.

        The presence of an object is the mean of how sure its mask is, and of how alike what the mask shows and the nearest
        view are (cosine). Either alone mistakes more.
        """
        confidences = object_confidences(logits, self.model.num_background_channels)[0]
        absent = torch.zeros_like(confidences, dtype=torch.bool)
        for object_id, each in views.items():
            index = self.object_ids.index(object_id)
            alike = torch.cosine_similarity(objects[index].float(), each.float(), dim=-1).max()
            self.presences[object_id] = (confidences[index] + alike).clamp(min=0) / 2
            absent[index] = self.presences[object_id] < self._presence_threshold
        return absent

    def _unsure(self, logits: torch.Tensor, given: Collection[int]) -> torch.Tensor:
        """Whose masks aren't worth remembering, [I] bool; those at the indices `given` are."""
        unsure = object_confidences(logits, self.model.num_background_channels)[0] < self._min_confidence
        for index in given:
            unsure[index] = False
        return unsure
