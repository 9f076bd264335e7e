"""The tracker against a slow transcription of the rules, which keeps everything at full size and for ever."""

import numpy as np
import pytest
import torch
from support.small import small_checkpoint
from torch.nn import functional as F

from hodor.inference.memory import MemorySettings
from hodor.inference.tracker import DescriptorTracker
from hodor.modelling.descriptors import DescribedFrames

HEIGHT, WIDTH = 64, 96
QUIET = 11  # frames


def resized(maps, factor):
    size = (round(maps.shape[-2] * factor), round(maps.shape[-1] * factor))
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def grid(height, width):
    cells = torch.zeros(9, height, width)
    rows = [0, height // 3, 2 * (height // 3), height]
    columns = [0, width // 3, 2 * (width // 3), width]
    for cell in range(9):
        row, column = divmod(cell, 3)
        cells[cell, rows[row] : rows[row + 1], columns[column] : columns[column + 1]] = 1
    return cells


class SlowTracker:
    """Every frame's descriptors, by object; background None where unknown."""

    def __init__(self, model, window, *, min_confidence=0.0, long_term_interval=0, corrections_replace=False):
        self.model, self.window = model, window
        self.min_confidence, self.interval, self.replace = min_confidence, long_term_interval, corrections_replace
        self.slots = {}
        self.last_sure = {}
        self.unsure = []
        self.known = []
        self.time = -1

    def step(self, image, new_masks):
        self.time += 1
        if not self.known and not new_masks:
            return None
        features = self.model.extract_features(image)
        before = list(self.known)
        if self.replace:
            for object_id in new_masks:
                for objects, _ in self.slots.values():
                    objects.pop(object_id, None)
        if new_masks:
            masks = torch.stack(list(new_masks.values()))
            background = grid(HEIGHT, WIDTH) * (masks.sum(0) == 0)
            described = self.model.describe(features, resized(masks[None], 1 / 8), resized(background[None], 1 / 8))
            objects = dict(zip(new_masks, described.objects[0], strict=True))
            self.slots[self.time] = (objects, None if before else described.background[0])
            self.last_sure |= objects
            self.known = sorted({*before, *new_masks})
        if not before:
            return None
        logits = self.decode(features, self.remembered())
        probabilities = resized(logits.softmax(1), 4)[0]
        for object_id, mask in new_masks.items():
            probabilities[:, mask > 0] = 0
            probabilities[10 + self.known.index(object_id)] = mask
        small = resized(probabilities[None], 1 / 8)[:, 10:]
        background = grid(HEIGHT // 8, WIDTH // 8) * (1 - small.sum(1))
        described = self.model.describe(features, small, background[None])
        sure = {
            i: d for i, d in zip(self.known, described.objects[0], strict=True) if i in new_masks or self.is_sure(i, logits)
        }
        self.unsure += [i for i in self.known if i not in sure]
        self.slots[self.time] = (sure, described.background[0])
        self.last_sure |= sure
        if self.replace and set(before) & set(new_masks):
            self.slots = {t: (slot[0], slot[1] if t == self.time else None) for t, slot in self.slots.items()}
        return logits

    def is_sure(self, object_id, logits):
        if not self.min_confidence:
            return True
        probabilities = logits.softmax(1)[0]
        own = probabilities[10 + self.known.index(object_id)]
        inside = own == probabilities.amax(0)
        return bool(inside.any()) and own[inside].mean() >= self.min_confidence

    def remembered(self):
        frames = [t for t in self.slots if t >= self.time - self.window or (self.interval and t % self.interval == 0)]
        slots = [self.slots[t] for t in frames]
        lost = {i: self.last_sure[i] for i in self.known if not any(i in objects for objects, _ in slots)}
        return [*slots, (lost, None)] if lost else slots

    def decode(self, features, slots):
        nothing = torch.zeros(32)
        objects = torch.stack([torch.stack([slot[0].get(i, nothing) for slot in slots]) for i in self.known])
        absent = torch.tensor([[i not in slot[0] for slot in slots] for i in self.known])
        background = torch.stack([torch.zeros(9, 32) if slot[1] is None else slot[1] for slot in slots], 1)
        background_absent = torch.tensor([slot[1] is None for slot in slots]).expand(9, -1)
        memory = DescribedFrames(objects[None], background[None], absent[None], background_absent[None])
        return self.model.segment(features, memory)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("options", [{}, {"min_confidence": 0.3}, {"long_term_interval": 3}, {"corrections_replace": True}])
def test_equals_the_slow_tracker_whenever_objects_start_or_are_given_anew(seed, options):
    slow, fast = follow_both(seed, options)
    assert fast.memory.object_ids == slow.known
    assert bool(slow.unsure) == ("min_confidence" in options)


def test_all_options_at_once_and_constant_shapes_equal_the_slow_tracker():
    follow_both(2, {"min_confidence": 0.3, "long_term_interval": 2, "corrections_replace": True}, constant_frames=True)


def follow_both(seed, options, **further):
    random = np.random.default_rng(seed)
    model = small_checkpoint(seed).model
    window = int(random.integers(1, 5))
    slow = SlowTracker(model, window, **options)
    fast = DescriptorTracker(model, MemorySettings(window, **options), **further)
    predicted = 0
    for t in range(QUIET):
        new_masks = {}
        for _ in range(int(random.choice([0, 0, 1, 2])) if t != 1 else 1):
            top, left = random.integers(0, HEIGHT - 20), random.integers(0, WIDTH - 20)
            mask = torch.zeros(HEIGHT, WIDTH)
            mask[top : top + random.integers(10, 40), left : left + random.integers(10, 40)] = 1
            new_masks[int(random.integers(1, 6))] = mask
        image = torch.from_numpy(random.normal(size=(1, 3, HEIGHT, WIDTH))).float()
        with torch.inference_mode():
            expected, actual = slow.step(image, new_masks), fast.step(image, new_masks)
        assert (expected is None) == (actual is None)
        assert fast.memory.object_ids == slow.known
        if expected is not None:
            predicted += 1
            torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    assert predicted > 5
    return slow, fast
