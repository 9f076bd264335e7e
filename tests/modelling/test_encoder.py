import math

import pytest
import torch
from support.small_models import randomised
from torch.nn import functional as F

from hodor.modelling.encoder import Encoder, initial_descriptors
from hodor.modelling.position_encoding import sine_position_encoding

C, HEADS, QB, H, W = 16, 4, 4, 5, 6
P = H * W


def encoder(**kwargs):
    return randomised(Encoder(C, HEADS, 2, QB, **kwargs)).double().eval()


def inputs(objects=3, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, C, H, W, dtype=torch.float64, generator=generator)
    object_masks = torch.rand(batch, objects, H, W, dtype=torch.float64, generator=generator)
    background_masks = torch.rand(batch, QB, H, W, dtype=torch.float64, generator=generator)
    return features, object_masks, background_masks


def attend(q, k, v, bias):
    """Multi-head attention of already projected sequences [N, C]; `bias` [heads, queries, keys] is added to the logits."""
    size = C // HEADS
    heads = []
    for head in range(HEADS):
        own = slice(head * size, (head + 1) * size)
        weights = (q[:, own] @ k[:, own].T / math.sqrt(size) + bias[head]).softmax(dim=1)
        heads.append(weights @ v[:, own])
    return torch.cat(heads, dim=1)


def literal_start(values, mask, is_object):
    chosen = [p for p in range(P) if mask[p] > 0.5]
    if not chosen and is_object:
        chosen = [max(range(P), key=lambda p: (mask[p], -p))]
    return sum(values[p] for p in chosen) / len(chosen) if chosen else torch.zeros(C, dtype=torch.float64)


def literal_layer(layer, x, embedding, pixels, *, pre_norm):
    keys, values, masks = pixels

    def with_branch(x, norm, function):
        return x + function(norm(x)) if pre_norm else norm(x + function(x))

    def self_attention(y):
        own = layer.self_attention
        inputs = (y + embedding, y + embedding, y)
        q, k, v = map(F.linear, inputs, own.in_proj_weight.chunk(3), own.in_proj_bias.chunk(3))
        return own.out_proj(attend(q, k, v, torch.zeros(HEADS)))

    def masked_attention(y):
        own = layer.masked_attention
        bias = -own.alpha[:, None, None] * (1 - masks)
        q, k, v = own.query_projection(y), own.key_projection(keys), own.value_projection(values)
        return own.output_projection(attend(q, k, v, bias))

    def feed_forward(y):
        first, second = layer.feed_forward[0], layer.feed_forward[3]
        assert first.weight.shape == (4 * C, C)
        return second(first(y).clamp(min=0))

    if layer.interaction:
        x = with_branch(x, layer.norm_self_attention, self_attention)
    x = with_branch(x, layer.norm_masked_attention, masked_attention)
    return with_branch(x, layer.norm_feed_forward, feed_forward)


def literal_encoder(model, features, object_masks, background_masks, *, pre_norm=False, position_encoding=False):
    """Section 1.4 of the specification for one sample; returns objects and background."""
    values = torch.stack([features[:, i, j] for i in range(H) for j in range(W)])
    keys = values
    if position_encoding:
        keys = values + sine_position_encoding(H, W, C, torch.device("cpu"), torch.float64)[0]
    masks = torch.cat([background_masks, object_masks]).reshape(-1, P)
    x = torch.stack([literal_start(values, mask, index >= QB) for index, mask in enumerate(masks)])
    embedding = torch.stack([*model.background_embedding, *[model.object_embedding] * len(object_masks)])
    for layer in model.layers:
        x = literal_layer(layer, x, embedding, (keys, values, masks), pre_norm=pre_norm)
    if pre_norm:
        x = model.norm(x)
    return x[QB:], x[:QB]


@pytest.mark.parametrize(
    "variant",
    [{}, {"pre_norm": True}, {"interaction": False}, {"position_encoding": True}, {"pre_norm": True, "interaction": False}],
)
def test_equals_the_literal_encoder(variant):
    model = encoder(**variant)
    features, object_masks, background_masks = inputs()
    object_masks[0, 0] *= 0.5  # nothing above 0.5
    background_masks[1, 2] *= 0.5
    settings = {key: value for key, value in variant.items() if key != "interaction"}
    with torch.no_grad():
        actual = model(features, object_masks, background_masks)
        for b in range(2):
            objects, background = literal_encoder(model, features[b], object_masks[b], background_masks[b], **settings)
            torch.testing.assert_close(actual.objects[b], objects, rtol=1e-10, atol=1e-11)
            torch.testing.assert_close(actual.background[b], background, rtol=1e-10, atol=1e-11)


def test_initial_descriptors():
    features = torch.randn(1, 6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    masks = torch.tensor(
        [
            [0.6, 0.5, 1.0, 0.0, 0.2, 0.4],  # two pixels above 0.5; 0.5 itself is not
            [0.1, 0.5, 0.3, 0.5, 0.0, 0.2],  # none: the first maximum, or zeros
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # none: the first pixel, or zeros
            [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        ],
        dtype=torch.float64,
    )[None].requires_grad_()
    objects = initial_descriptors(features, masks, fall_back_to_peak=True)
    background = initial_descriptors(features, masks, fall_back_to_peak=False)
    f = features[0].detach()
    mean = (f[0] + f[2]) / 2
    torch.testing.assert_close(objects[0], torch.stack([mean, f[1], f[0], f.mean(dim=0)]))
    torch.testing.assert_close(background[0], torch.stack([mean, 0 * f[0], 0 * f[0], f.mean(dim=0)]))
    assert not objects.requires_grad and not background.requires_grad


def test_no_gradient_flows_through_the_initial_descriptors():
    model = encoder(interaction=False)
    with torch.no_grad():
        for layer in model.layers:  # what is left of the path from features to descriptors is the start
            layer.masked_attention.output_projection.weight.zero_()
    features, object_masks, background_masks = (tensor.requires_grad_() for tensor in inputs())
    result = model(features, object_masks, background_masks)
    assert result.objects.requires_grad
    gradients = torch.autograd.grad(result.objects.square().sum(), (features, object_masks), allow_unused=True)
    assert all(gradient is None or (gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("objects", [0, 1, 20])
def test_any_number_of_objects(objects):
    result = encoder()(*inputs(objects))
    assert result.objects.shape == (2, objects, C)
    assert result.background.shape == (2, QB, C)
    assert result.background.isfinite().all() and result.objects.isfinite().all()


def test_permuting_objects_permutes_their_descriptors():
    model = encoder()
    features, object_masks, background_masks = inputs(4)
    order = [2, 0, 3, 1]
    straight = model(features, object_masks, background_masks)
    permuted = model(features, object_masks[:, order], background_masks)
    torch.testing.assert_close(permuted.objects, straight.objects[:, order], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(permuted.background, straight.background, rtol=1e-10, atol=1e-12)


def test_batch_neighbours_do_not_matter():
    model = encoder()
    features, object_masks, background_masks = inputs(batch=3)
    together = model(features, object_masks, background_masks)
    for b in range(3):
        alone = model(features[b : b + 1], object_masks[b : b + 1], background_masks[b : b + 1])
        torch.testing.assert_close(alone.objects[0], together.objects[b], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(alone.background[0], together.background[b], rtol=1e-10, atol=1e-12)


def test_interaction_is_what_makes_objects_depend_on_others():
    features, object_masks, background_masks = inputs(3)
    for interaction in (True, False):
        model = encoder(interaction=interaction)
        alone = model(features, object_masks[:, :1], background_masks).objects[:, 0]
        difference = (model(features, object_masks, background_masks).objects[:, 0] - alone).abs().max()
        assert (difference > 1e-3) == interaction
    assert not [name for name, _ in model.named_parameters() if "self_attention" in name]


@pytest.mark.parametrize("masking", ["none", "hard", "soft_fixed", "soft_learnable"])
def test_masking_reaches_the_attention(masking):
    model = encoder(masking=masking)
    assert {layer.masked_attention.masking for layer in model.layers} == {masking}
    features, object_masks, background_masks = inputs(1)
    softer = 0.5 + (object_masks - 0.5) / 2  # the same pixels above 0.5
    change = (model(features, softer, background_masks).objects - model(features, object_masks, background_masks).objects).abs()
    assert (change.max() > 1e-3) == masking.startswith("soft")


def test_layers_start_as_copies_of_one_and_embeddings_are_normal():
    torch.manual_seed(0)
    model = Encoder(64, 8, 3, 16)
    first, *others = (layer.state_dict() for layer in model.layers)
    for other in others:
        assert other.keys() == first.keys()
        assert all(torch.equal(other[name], first[name]) for name in first)
    pointers = [parameter.data_ptr() for parameter in model.parameters()]
    assert len(set(pointers)) == len(pointers)
    assert model.object_embedding.shape == (64,) and model.background_embedding.shape == (16, 64)
    assert model.background_embedding.std().item() == pytest.approx(1, abs=0.1)
    assert model.background_embedding.mean().item() == pytest.approx(0, abs=0.1)
    assert model.object_embedding.std().item() == pytest.approx(1, abs=0.3)


def test_dropout_acts_on_both_attentions_weights_and_in_the_feed_forward():
    layer = Encoder(16, 4, 1, QB, dropout=0.25).layers[0]
    assert (
        layer.self_attention.dropout == layer.masked_attention.dropout.p == layer.feed_forward[2].p == layer.dropout.p == 0.25
    )
    assert isinstance(layer.feed_forward[1], torch.nn.ReLU) and isinstance(layer.feed_forward[2], torch.nn.Dropout)
    model = encoder(dropout=0.25)
    arguments = inputs()
    assert torch.equal(model(*arguments).objects, model(*arguments).objects)
    model.train()
    assert not torch.equal(model(*arguments).objects, model(*arguments).objects)


def test_dropout_acts_on_every_branch_before_the_residual():
    torch.manual_seed(0)
    model = encoder(dropout=0.25).train()
    layer = model.layers[0]
    ends = [layer.self_attention.out_proj, layer.masked_attention.output_projection, layer.feed_forward[3]]
    with torch.no_grad():
        for end in ends:
            end.bias.add_(100.0)  # no output is near zero by itself
    seen = []
    layer.dropout.register_forward_hook(lambda module, given, result: seen.append((given[0], result)))
    model(*inputs())
    assert len(seen) == 3
    for given, result in seen:
        dropped = result == 0
        assert given.min() > 10
        assert 0.15 < dropped.double().mean() < 0.35
        torch.testing.assert_close(result[~dropped], given[~dropped] / 0.75)
