import math

import pytest
import torch
from support.small_models import randomised
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

from hodor.modelling.decoder import Decoder, DescriptorAttention
from hodor.modelling.descriptors import DescribedFrames, Embeddings
from hodor.modelling.features import Features
from hodor.modelling.position_encoding import sine_position_encoding

C, HEADS, QB, H, W = 32, 4, 4, 4, 6
VARIANTS = [{}, {"pre_norm": True}, {"deformable": False}, {"position_encoding": False}, {"catch_all": False}]


def decoder(seed=0, **kwargs):
    return randomised(Decoder(C, HEADS, 2, QB, **kwargs), seed).double().eval()


def inputs(objects=3, frames=2, batch=2, *, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    features = Features(noise(batch, C, 2 * H, 2 * W), noise(batch, C, H, W))
    embeddings = Embeddings(noise(C), noise(QB, C))
    return features, DescribedFrames(noise(batch, objects, frames, C), noise(batch, QB, frames, C)), embeddings


def literal_attention(attention, query, memory, embeddings, b):
    """Section 1.5 b for one sample: query [P, C] -> [P, C]."""
    keys, values = [], []
    for descriptor in memory.objects[b].flatten(0, 1):
        keys.append(attention.object_key_projection(descriptor + embeddings.object))
        values.append(attention.object_value_projection(descriptor))
    for cell in range(QB):
        for descriptor in memory.background[b, cell]:
            keys.append(attention.background_key_projection(descriptor + embeddings.background[cell]))
            values.append(attention.background_value_projection(descriptor))
    keys, values = torch.stack(keys), torch.stack(values)
    query = attention.query_projection(query)
    size = C // HEADS
    heads = []
    for head in range(HEADS):
        own = slice(head * size, (head + 1) * size)
        heads.append((query[:, own] @ keys[:, own].T / math.sqrt(size)).softmax(dim=1) @ values[:, own])
    return torch.cat(heads, dim=1)


def literal_layer(layer, x, memory, embeddings, b, position, *, pre_norm, deformable):
    """x [C, H, W] -> [C, H, W]."""
    if deformable:
        own = layer.convolution
        offsets = F.conv2d(x[None], own.offsets.weight, own.offsets.bias, padding=1)
        convolved = deform_conv2d(x[None], offsets, own.convolution.weight, own.convolution.bias, padding=1)
    else:
        convolved = F.conv2d(x[None], layer.convolution.weight, layer.convolution.bias, padding=1)
    norm = layer.norm_convolution
    x = x + F.group_norm(convolved.clamp(min=0), 16, norm.weight, norm.bias, eps=1e-5)[0]
    pixels = x.flatten(1).T
    attended = pixels + literal_attention(layer.attention, pixels + position, memory, embeddings, b)
    if not pre_norm:
        attended = layer.norm_attention(attended)
    change = layer.linear_out(layer.linear_in(attended).clamp(min=0))
    assert layer.linear_in.weight.shape == (C, C)
    norm = layer.norm_feed_forward
    result = attended + norm(change) if pre_norm else norm(attended + change)
    return result.T.view(C, H, W)


def literal_decoder(
    model, features, memory, embeddings, b, *, pre_norm=False, deformable=True, position_encoding=True, catch_all=True
):
    """Section 1.5 for one sample: logits [K + I, 2 H, 2 W]."""
    position = sine_position_encoding(H, W, C, torch.device("cpu"), torch.float64)[0] if position_encoding else 0
    x = features.stride_8[b]
    for layer in model.layers:
        x = literal_layer(layer, x, memory, embeddings, b, position, pre_norm=pre_norm, deformable=deformable)
    x = x[None]
    if pre_norm:
        x = F.group_norm(x, 1, model.norm.weight, model.norm.bias)
    x = F.interpolate(x, (2 * H, 2 * W), mode="bilinear", align_corners=False)
    detail = F.conv2d(features.stride_4[b : b + 1], model.reduce_4[0].weight).clamp(min=0)
    detail = F.group_norm(detail, 8, model.reduce_4[2].weight, model.reduce_4[2].bias)
    assert detail.shape[1] == C // 4
    x = torch.cat([x[:, : C // 4] + detail, x[:, C // 4 :]], dim=1)
    x = F.conv2d(x, model.smooth_4[0].weight, padding=1).clamp(min=0)
    x = F.group_norm(x, 8, model.smooth_4[2].weight, model.smooth_4[2].bias)
    logits = []
    if catch_all:
        head = model.catch_all
        y = F.group_norm(F.conv2d(x, head[0].weight, padding=1), 8, head[1].weight, head[1].bias).clamp(min=0)
        logits.append(F.conv2d(y, head[3].weight)[0, 0])
    for projection, descriptors in (
        (model.background_projection, memory.background),
        (model.object_projection, memory.objects),
    ):
        for of_frames in descriptors[b]:
            over_time = [torch.einsum("c,chw->hw", projection(single), x[0]) / math.sqrt(C) for single in of_frames]
            logits.append(torch.stack(over_time).amax(dim=0))
    return torch.stack(logits)


@pytest.mark.parametrize("variant", VARIANTS)
def test_equals_the_literal_decoder(variant):
    model = decoder(**variant)
    features, memory, embeddings = inputs()
    with torch.no_grad():
        actual = model(features, memory, embeddings)
        for b in range(2):
            expected = literal_decoder(model, features, memory, embeddings, b, **variant)
            torch.testing.assert_close(actual[b], expected, rtol=1e-9, atol=1e-10)
    assert model.num_background_channels == QB + variant.get("catch_all", True)


def test_variants_have_the_weights_they_need_and_no_others():
    names = [set(decoder(**variant).state_dict()) for variant in VARIANTS]
    paper, pre_norm, plain, no_position, no_catch_all = names
    layers = [f"layers.{k}." for k in range(2)]
    ends = ("weight", "bias")
    assert pre_norm == paper - {f"{p}norm_attention.{e}" for p in layers for e in ends} | {f"norm.{e}" for e in ends}
    assert not any("offsets" in name for name in plain)
    assert no_position == paper
    assert paper - no_catch_all == {"catch_all.0.weight", "catch_all.1.weight", "catch_all.1.bias", "catch_all.3.weight"}


@pytest.mark.parametrize("objects", [0, 1, 20])
def test_any_number_of_objects(objects):
    logits = decoder()(*inputs(objects))
    assert logits.shape == (2, 1 + QB + objects, 2 * H, 2 * W)
    assert logits.isfinite().all()


def test_permuting_objects_permutes_their_channels():
    model = decoder()
    features, memory, embeddings = inputs(4)
    order = [2, 0, 3, 1]
    straight = model(features, memory, embeddings)
    permuted = model(features, memory._replace(objects=memory.objects[:, order]), embeddings)
    channels = [*range(1 + QB), *(1 + QB + index for index in order)]
    torch.testing.assert_close(permuted, straight[:, channels], rtol=1e-9, atol=1e-11)


def test_the_order_of_frames_does_not_matter():
    model = decoder()
    features, memory, embeddings = inputs(frames=3)
    turned = memory._replace(objects=memory.objects.flip(2), background=memory.background.flip(2))
    torch.testing.assert_close(model(features, turned, embeddings), model(features, memory, embeddings), rtol=1e-9, atol=1e-11)


def test_batch_neighbours_do_not_matter():
    model = decoder()
    features, memory, embeddings = inputs(batch=3)
    absent = torch.zeros(3, 3, 2, dtype=torch.bool)
    absent[1, 0, 1] = True
    together = model(features, memory._replace(objects_absent=absent), embeddings)
    for b in range(3):
        own = slice(b, b + 1)
        alone = memory._replace(objects=memory.objects[own], background=memory.background[own], objects_absent=absent[own])
        actual = model(Features(features.stride_4[own], features.stride_8[own]), alone, embeddings)
        torch.testing.assert_close(actual[0], together[b], rtol=1e-9, atol=1e-11)


def test_absent_frames_are_as_if_left_out_of_memory():
    model = decoder()
    features, memory, embeddings = inputs(objects=2, frames=3)
    objects_absent = torch.zeros(2, 2, 3, dtype=torch.bool)
    background_absent = torch.zeros(2, QB, 3, dtype=torch.bool)
    objects_absent[:, :, 1] = background_absent[:, :, 1] = True
    actual = model(features, memory._replace(objects_absent=objects_absent, background_absent=background_absent), embeddings)
    shorter = memory._replace(objects=memory.objects[:, :, [0, 2]], background=memory.background[:, :, [0, 2]])
    torch.testing.assert_close(actual, model(features, shorter, embeddings), rtol=1e-9, atol=1e-11)
    assert (actual - model(features, memory, embeddings)).abs().max() > 1e-3


def test_what_an_absent_descriptor_holds_does_not_matter():
    model = decoder()
    features, memory, embeddings = inputs(objects=2, frames=2)
    objects_absent = torch.tensor([[[False, True], [False, False]], [[True, False], [False, True]]])
    background_absent = torch.zeros(2, QB, 2, dtype=torch.bool)
    background_absent[0, 3, 0] = True
    for flags in ({"objects_absent": objects_absent}, {"background_absent": background_absent}):
        ((name, absent),) = flags.items()
        kind = name.removesuffix("_absent")
        changed = getattr(memory, kind).masked_fill(absent[..., None], 7.0)
        with_flags = memory._replace(**flags)
        expected = model(features, with_flags, embeddings)
        assert expected.isfinite().all()
        assert torch.equal(model(features, with_flags._replace(**{kind: changed}), embeddings), expected)
        all_known = memory._replace(**{name: torch.zeros_like(absent)})
        torch.testing.assert_close(
            model(features, all_known, embeddings), model(features, memory, embeddings), rtol=1e-9, atol=1e-11
        )


def test_dropout_of_attention_logits_or_of_weights():
    torch.manual_seed(0)
    probability, keys = 0.25, 4
    for logit_dropout in (True, False):
        attention = DescriptorAttention(4, 1, dropout=probability, logit_dropout=logit_dropout).double()
        with torch.no_grad():  # queries and keys become ones, logits 2; values the four unit vectors, so results are weights
            for name, parameter in attention.named_parameters():
                parameter.fill_(float(name in ("query_projection.bias", "object_key_projection.bias")))
            attention.object_value_projection.weight.copy_(torch.eye(4))
        objects = torch.eye(4, dtype=torch.float64).view(1, keys, 1, 4)
        memory, embeddings = DescribedFrames(objects, objects[:, :0]), Embeddings(torch.zeros(4), torch.zeros(0, 4))
        query = torch.zeros(1, 2000, 4, dtype=torch.float64)
        assert torch.equal(attention.eval()(query, memory, embeddings), torch.full_like(query, 1 / keys))
        weights = attention.train()(query, memory, embeddings)[0].detach()
        if logit_dropout:
            kept = weights > 1 / keys + 1e-9
            assert (weights > 0).all()
            torch.testing.assert_close(weights.sum(dim=1), torch.ones(2000, dtype=torch.float64))
            mixed = kept.any(dim=1) & ~kept.all(dim=1)
            ratio = weights[mixed].amax(dim=1) / weights[mixed].amin(dim=1)
            torch.testing.assert_close(ratio, torch.full_like(ratio, math.exp(2 / 0.75)))  # logits 2 / 0.75 against 0
            share = (probability - probability**keys) / (1 - (1 - probability) ** keys - probability**keys)
            assert (~kept[mixed]).double().mean().item() == pytest.approx(share, abs=0.02)
        else:
            values = sorted({round(value, 9) for value in weights.flatten().tolist()})
            assert values == pytest.approx([0, 1 / keys / 0.75])
            assert (weights == 0).double().mean().item() == pytest.approx(probability, abs=0.02)


@pytest.mark.parametrize("logit_dropout", [True, False])
def test_training_without_dropout_equals_evaluation_also_with_absent_frames(logit_dropout):
    torch.manual_seed(0)
    attention = randomised(DescriptorAttention(C, HEADS, dropout=0.0, logit_dropout=logit_dropout)).double()
    nearly = randomised(DescriptorAttention(C, HEADS, dropout=1e-12, logit_dropout=logit_dropout)).double().train()
    features, memory, embeddings = inputs()
    absent = torch.zeros(2, 3, 2, dtype=torch.bool)
    absent[0, 1, 0] = True
    memory = memory._replace(objects_absent=absent)
    query = features.stride_8.flatten(2).transpose(1, 2)
    expected = attention.eval()(query, memory, embeddings)
    torch.testing.assert_close(attention.train()(query, memory, embeddings), expected)
    torch.testing.assert_close(nearly(query, memory, embeddings), expected)


def test_dropout_acts_on_the_attention_output_after_the_relu_and_after_the_second_linear():
    torch.manual_seed(0)
    model = decoder(dropout=0.25, logit_dropout=True)
    layer = model.layers[0]
    seen, ends = [], []
    layer.dropout.register_forward_hook(lambda module, given, result: seen.append((given[0], result)))
    layer.attention.register_forward_hook(lambda module, given, result: ends.append(result))
    layer.linear_in.register_forward_hook(lambda module, given, result: ends.append(result.relu()))
    layer.linear_out.register_forward_hook(lambda module, given, result: ends.append(result))
    model.train()(*inputs())
    assert len(seen) == len(ends) == 3
    for (given, result), end in zip(seen, ends, strict=True):
        assert torch.equal(given, end)
        dropped = (result == 0) & (given != 0)
        assert 0.2 < dropped.sum() / (given != 0).sum() < 0.3
        torch.testing.assert_close(result[~dropped], given[~dropped] / 0.75)
    assert layer.attention.dropout.p == 0.25 and layer.attention.logit_dropout


def test_layers_start_as_copies_of_one():
    first, *others = (layer.state_dict() for layer in Decoder(C, HEADS, 3, QB).layers)
    assert len(others) == 2
    for other in others:
        assert all(torch.equal(other[name], first[name]) for name in first)
    assert first["convolution.offsets.weight"].abs().max() > 0
