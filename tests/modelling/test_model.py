import copy
import dataclasses
import pickle

import pytest
import torch
from support.goldens import DEVICES, STATIC_RECIPE
from support.small_models import small_config, small_model

from hodor.modelling.build import build_model
from hodor.modelling.descriptors import DescribedFrames
from hodor.modelling.model import HODOR, pad
from hodor.modelling.soft_masks import background_of_given_masks, background_of_predicted_masks, object_probabilities, shrink

SIZE = (64, 96)


@pytest.fixture(scope="module")
def model():
    return small_model()


def inputs(batch=1, objects=2, seed=0):
    """Reference images, masks, other images."""
    generator = torch.Generator().manual_seed(seed)
    reference, images = torch.randn(2, batch, 3, *SIZE, generator=generator)
    masks = torch.zeros(batch, objects, *SIZE)
    for b in range(batch):
        for i in range(objects):
            top, left = 4 + 16 * i, 10 + 30 * i + 5 * b
            masks[b, i, top : top + 30, left : left + 40] = 1
    return reference, masks, images


def three_steps(model, reference, masks, images):
    described = model.describe_given(model.extract_features(reference), masks)
    return model.segment(model.extract_features(images), DescribedFrames.of([described]))


def test_forward_is_the_three_steps(model):
    arguments = inputs(2)
    with torch.no_grad():
        logits = model(*arguments)
        assert torch.equal(logits, three_steps(model, *arguments))
    assert logits.shape == (2, 1 + 9 + 2, SIZE[0] // 4, SIZE[1] // 4)
    assert model.num_background == 9 and model.num_background_channels == 10


def test_a_batch_of_two_is_two_batches_of_one(model):
    arguments = inputs(2)
    with torch.no_grad():
        together = model(*arguments)
        for b in range(2):
            alone = model(*(tensor[b : b + 1] for tensor in arguments))
            torch.testing.assert_close(alone[0], together[b], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_gradients_reach_every_weight(pre_norm):
    model = small_model(transformer_pre_normalize=pre_norm, encoder_layers=2, decoder_layers=2).double()
    logits = model(*(tensor.double() for tensor in inputs()))
    direction = torch.randn(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (logits * direction).sum().backward()
    norms = {name: parameter.grad.norm().item() for name, parameter in model.named_parameters()}
    zero_in_theory = {name for name in norms if name.endswith("masked_attention.key_projection.bias")}
    assert len(zero_in_theory) == 2  # a key bias adds a constant to each row of a softmax
    assert all(norms[name] < 1e-10 for name in zero_in_theory)
    assert all(norm > 1e-6 for name, norm in norms.items() if name not in zero_in_theory), norms


def test_masks_get_the_gradients_of_finite_differences():
    model = small_model().double()
    reference, masks, images = (tensor.double() for tensor in inputs())
    with torch.no_grad():
        features, others = model.extract_features(reference), model.extract_features(images)
    objects = (0.7 * shrink(masks) + 0.1).requires_grad_()
    background = 0.8 * background_of_given_masks(masks, 9) + 0.1
    weight = torch.randn(1, 12, 16, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def value(object_masks):
        described = model.describe(features, object_masks, background)
        return (model.segment(others, DescribedFrames.of([described])) * weight).sum()

    gradient = torch.autograd.grad(value(objects), objects)[0]
    assert (gradient != 0).all()
    direction = torch.randn(objects.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    step = 1e-6 * direction
    with torch.no_grad():
        slope = (value(objects + step) - value(objects - step)) / 2e-6
    assert slope.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-5)


def test_predicted_masks_carry_gradients_unless_detached(model):
    reference, masks, _ = inputs()
    features = model.extract_features(reference)
    logits = torch.randn(1, 12, 16, 24, generator=torch.Generator().manual_seed(4)).requires_grad_()
    attached = model.describe_predicted(features, logits)
    detached = model.describe_predicted(features, logits, detach=True)
    probabilities = object_probabilities(logits, 10)
    expected = model.describe(features, probabilities, background_of_predicted_masks(probabilities, 9))
    for result in (attached, detached):
        torch.testing.assert_close(result.objects, expected.objects)
        torch.testing.assert_close(result.background, expected.background)
    assert (torch.autograd.grad(attached.objects.square().sum(), logits, retain_graph=True)[0] != 0).any()
    assert torch.autograd.grad(detached.objects.square().sum(), logits, allow_unused=True)[0] is None
    given = model.describe_given(features, masks.bool())  # boolean masks are as good
    torch.testing.assert_close(given.objects, model.describe_given(features, masks).objects, rtol=0, atol=0)


def test_absent_flags_reach_the_decoder(model):
    reference, masks, images = inputs(objects=2)
    with torch.no_grad():
        described = model.describe_given(model.extract_features(reference), masks)
        features = model.extract_features(images)
        objects = torch.stack([described.objects, 2 * described.objects], dim=2)
        background = torch.stack([described.background, 0.5 * described.background], dim=2)
        absent = torch.tensor([False, True])
        flags = {"objects_absent": absent.expand(1, 2, 2), "background_absent": absent.expand(1, 9, 2)}
        actual = model.segment(features, DescribedFrames(objects, background, **flags))
        torch.testing.assert_close(actual, model.segment(features, DescribedFrames.of([described])))


@pytest.mark.parametrize("device", DEVICES)
def test_bfloat16_and_autocast_are_close_to_float32(model, device):
    model = copy.deepcopy(model).to(device)
    arguments = [tensor.to(device) for tensor in inputs()]
    with torch.no_grad():
        expected = model(*arguments)
        with torch.autocast(device, dtype=torch.bfloat16):
            mixed = model(*arguments)
        half = copy.deepcopy(model).bfloat16()(*(tensor.bfloat16() for tensor in arguments))
    assert half.dtype == torch.bfloat16
    for actual in (mixed, half):
        assert 1e-4 < (actual.float() - expected).norm() / expected.norm() < 0.1


def test_a_bfloat16_model_prepares_images_for_itself(model):
    half = copy.deepcopy(model).bfloat16()
    images = torch.randint(0, 256, (1, 3, 32, 64), generator=torch.Generator().manual_seed(5))
    for kind in (torch.uint8, torch.float32, torch.bfloat16):
        prepared = half.prepare(images.to(kind))
        assert prepared.dtype == torch.bfloat16
        assert (prepared.float() - model.prepare(images.float())).abs().max() < 0.03  # three roundings of 2.6
    assert half.extract_features(prepared).stride_8.dtype == torch.bfloat16


def test_preparing_normalises_then_pads_right_and_bottom_with_zeros(model):
    images = torch.randint(0, 256, (2, 3, 33, 64), generator=torch.Generator().manual_seed(6), dtype=torch.uint8)
    prepared = model.prepare(images)
    assert prepared.shape == (2, 3, 64, 64) and prepared.dtype == torch.float32
    for channel, (mean, std) in enumerate(((123.675, 58.395), (116.28, 57.12), (103.53, 57.375))):
        torch.testing.assert_close(prepared[:, channel, :33], (images[:, channel].float() - mean) / std)
    assert (prepared[:, :, 33:] == 0).all()
    assert pad(torch.ones(1, 3, 32, 96)).shape == (1, 3, 32, 96)
    assert pad(torch.ones(2, 1, 1)).shape == (2, 32, 32) and pad(torch.ones(2, 1, 1)).sum() == 2


def test_the_configuration_says_how_images_are_prepared():
    images = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(7)).float()
    config = small_config()
    rgb = build_model(config)
    torch.testing.assert_close(rgb.mean.flatten(), torch.tensor([123.675, 116.28, 103.53]), rtol=0, atol=0)
    torch.testing.assert_close(rgb.std.flatten(), torch.tensor([58.395, 57.12, 57.375]), rtol=0, atol=0)
    unit = dataclasses.replace(
        config.input,
        normalize_to_unit_scale=True,
        image_mean=tuple(value / 255 for value in STATIC_RECIPE.input.image_mean),
        image_std=tuple(value / 255 for value in STATIC_RECIPE.input.image_std),
    )
    scaled = build_model(dataclasses.replace(config, input=unit))
    torch.testing.assert_close(scaled.prepare(images), rgb.prepare(images), rtol=1e-6, atol=1e-6)
    bgr = build_model(dataclasses.replace(config, input=dataclasses.replace(config.input, rgb_input=False)))
    expected = torch.stack(
        [
            (images[:, 2] - 103.53) / 57.375,
            (images[:, 1] - 116.28) / 57.12,
            (images[:, 0] - 123.675) / 58.395,
        ],
        dim=1,
    )
    torch.testing.assert_close(bgr.prepare(images), expected)


def test_models_can_be_pickled_and_copied(model):
    arguments = inputs()
    with torch.no_grad():
        expected = model(*arguments)
        for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert isinstance(twin, HODOR)
            assert torch.equal(twin(*arguments), expected)


def test_modes_can_be_chained_and_change_what_is_computed(model):
    twin = copy.deepcopy(model)
    arguments = inputs()
    torch.manual_seed(0)
    with torch.no_grad():
        assert not torch.equal(twin.train()(*arguments), model(*arguments))  # dropout
        assert torch.equal(twin.eval()(*arguments), model(*arguments))
    assert twin.device == torch.device("cpu")


def test_after_inference_mode_the_same_sizes_can_be_trained():
    model = small_model(seed=1, pos_encodings_in_fmq=True)
    reference, masks, images = (tensor[..., :32, :32] for tensor in inputs())  # sizes that no other test has cached
    with torch.inference_mode():
        expected = model(reference, masks, images)
    logits = model(reference, masks, images)
    torch.testing.assert_close(logits, expected)
    logits.square().mean().backward()
    assert model.feature_extractor.backbone.patch_embedding.weight.grad.norm() > 0
