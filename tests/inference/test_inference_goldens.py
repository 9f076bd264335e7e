import cv2
import numpy as np
import pytest
import torch
from support.goldens import DEVICES, golden, inference_case, relative_difference

from hodor.inference.logits_to_labels import label_map
from hodor.inference.memory import MemorySettings
from hodor.inference.tracker import DescriptorTracker
from hodor.modelling.soft_masks import resize

TOLERANCE = 1e-4
CASES = ["infer_two_objects", "infer_new_object_midway", "infer_two_start_together", "infer_late_start"]


def outside_rings(masks, size):
    """Pixels that are not within one pixel of a mask's border."""
    outside = np.ones(size, dtype=bool)
    for mask in masks:
        pixels = mask.cpu().numpy().astype(np.uint8)
        outside &= cv2.dilate(pixels, np.ones((3, 3))) == cv2.erode(pixels, np.ones((3, 3)))
    return outside


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CASES)
def test_masks_logits_and_descriptors_equal_the_original(original_model, name, device):
    spec, expected = golden(name)
    frames, references = inference_case(spec)
    resized, size = tuple(spec["resized"]), tuple(spec["orig"])
    tracker = DescriptorTracker(original_model.to(device), MemorySettings(spec["temporal_window"]))
    decodes = 0
    compared_logits = []
    for t in range(spec["frames"]):
        given = {object_id: mask.to(device) for object_id, mask in references.get(t, {}).items()}
        with torch.inference_mode():
            logits = tracker.step(frames[t : t + 1].to(device), given, remember=t < spec["frames"] - 1)
            shown = {
                object_id: resize(mask[None, None, : resized[0], : resized[1]], size)[0, 0] > 0.5
                for object_id, mask in given.items()
            }
            labels = label_map(
                logits,
                tracker.memory.object_ids,
                shown,
                num_background_channels=original_model.num_background_channels,
                network=resized,
                size=size,
            ).labels
        if logits is not None:
            if f"logits_{decodes}" in expected:
                assert relative_difference(logits[0], expected[f"logits_{decodes}"]) < TOLERANCE
                compared_logits.append(decodes)
            decodes += 1
        if tracker.memory.object_ids:
            inside = outside_rings(shown.values(), size)
            assert (labels.cpu().numpy() == expected["masks"][t])[inside].mean() >= 0.999
        else:
            assert tuple(labels.shape) == size and not labels.any()
    assert decodes == expected["num_decodes"]
    assert compared_logits == spec["logits_at"]
    compare_descriptors(tracker, expected, spec["frames"] - 2)
    original_model.cpu()


def compare_descriptors(tracker, expected, last):
    recalled = tracker.memory.recall(last, tracker.memory.object_ids)
    for index, object_id in enumerate(tracker.memory.object_ids):
        assert recalled.objects_absent is None or not recalled.objects_absent[0, index, -1]
        assert relative_difference(recalled.objects[0, index, -1], expected[f"fg_descriptor_t{last}_id{object_id}"]) < TOLERANCE
    assert relative_difference(recalled.background[0, :, -1], expected[f"bg_descriptors_t{last}"]) < TOLERANCE
