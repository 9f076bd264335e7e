import pytest
import torch
from support.goldens import DEVICES, features_case, golden, relative_difference

from hodor.modelling.descriptors import DescribedFrames
from hodor.modelling.soft_masks import background_of_predicted_masks

TOLERANCE = 1e-4


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["features_small", "features_batch"])
def test_every_stage_equals_the_original(original_model, name, device):
    spec, expected = golden(name)
    images, masks = (tensor.to(device) for tensor in features_case(spec))
    model = original_model.to(device)
    with torch.no_grad():
        features = model.extract_features(images)
        background = background_of_predicted_masks(masks, model.num_background)
        described = model.describe(features, masks, background)
        frames = range(spec["frames_in_memory"])
        memory = DescribedFrames(
            torch.stack([described.objects * (1 + 0.05 * t) for t in frames], dim=2),
            torch.stack([described.background * (1 - 0.05 * t) for t in frames], dim=2),
        )
        logits = model.segment(features, memory)
    actual = {
        "fmap_4x_every16th_channel": features.stride_4[:, ::16],
        "fmap_8x_every16th_channel": features.stride_8[:, ::16],
        "bg_mask": background,
        "fg_descriptors": described.objects,
        "bg_descriptors": described.background,
        "logits": logits,
    }
    assert actual.keys() == expected.keys()
    differences = {key: relative_difference(actual[key], expected[key]) for key in expected}
    assert max(differences.values()) < TOLERANCE, differences
    original_model.cpu()
