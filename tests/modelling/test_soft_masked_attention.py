import inspect
import math

import pytest
import torch

from hodor import SoftMaskedAttention
from hodor.modelling.soft_masked_attention import initial_alpha

CHANNELS, HEADS, QUERIES, PIXELS, BATCH = 8, 4, 3, 6, 2
MASKINGS = ["none", "hard", "soft_fixed", "soft_learnable"]


def attention(masking="soft_learnable", seed=0, **kwargs):
    torch.manual_seed(seed)
    return SoftMaskedAttention(CHANNELS, HEADS, masking=masking, **kwargs).double().eval()


def inputs(seed=1):
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(BATCH, QUERIES, CHANNELS, dtype=torch.float64, generator=generator)
    key, value = torch.randn(2, BATCH, PIXELS, CHANNELS, dtype=torch.float64, generator=generator)
    mask = torch.rand(BATCH, QUERIES, PIXELS, dtype=torch.float64, generator=generator)
    return query, key, value, mask


def project(layer, vector):
    return [
        sum(layer.weight[row, column] * vector[column] for column in range(CHANNELS)) + layer.bias[row]
        for row in range(CHANNELS)
    ]


def allowed_logit(masking, alpha, logit, row, pixel):
    """The masked logit of one head, query and pixel; `row` is the query's whole mask."""
    if masking == "none":
        return logit
    if masking == "hard":
        unmasked = all(value <= 0.5 for value in row)
        return logit if unmasked or row[pixel] > 0.5 else -math.inf
    return logit - alpha * (1 - row[pixel])


def literal_attention(module, query, key, value, mask):
    """Softmax(Q K^T / sqrt(d) - alpha (1 - M)) V, one number at a time."""
    size = CHANNELS // HEADS
    alphas = [32 / 2 ** math.floor(4 * head / HEADS) for head in range(HEADS)]
    if hasattr(module, "alpha"):
        alphas = module.alpha.tolist()
    result = torch.empty_like(query)
    weights = torch.empty(BATCH, HEADS, QUERIES, PIXELS, dtype=torch.float64)
    for b in range(BATCH):
        keys = [project(module.key_projection, key[b, p]) for p in range(PIXELS)]
        values = [project(module.value_projection, value[b, p]) for p in range(PIXELS)]
        for i in range(QUERIES):
            q = project(module.query_projection, query[b, i])
            joined = []
            for head in range(HEADS):
                own = range(head * size, (head + 1) * size)
                row = mask[b, i].tolist()
                logits = [
                    allowed_logit(
                        module.masking, alphas[head], float(sum(q[c] * keys[p][c] for c in own)) / math.sqrt(size), row, p
                    )
                    for p in range(PIXELS)
                ]
                exponentials = [math.exp(logit) for logit in logits]
                for p in range(PIXELS):
                    weights[b, head, i, p] = exponentials[p] / sum(exponentials)
                joined += [sum(weights[b, head, i, p] * values[p][c] for p in range(PIXELS)) for c in own]
            result[b, i] = torch.stack(project(module.output_projection, torch.stack(joined)))
    return result, weights


@pytest.mark.parametrize("masking", MASKINGS)
def test_equals_the_formula(masking):
    module = attention(masking)
    query, key, value, mask = inputs()
    mask[0, 1] = 0.3  # a row without any pixel above the threshold
    with torch.no_grad():
        if masking == "soft_learnable":
            module.alpha.copy_(torch.tensor([5.0, 0.5, -1.0, 2.0]))
        expected, expected_weights = literal_attention(module, query, key, value, mask)
        actual, weights = module(query, key, value, mask, need_weights=True)
    torch.testing.assert_close(weights, expected_weights, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(actual, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("masking", ["soft_fixed", "soft_learnable"])
def test_gradients_are_those_of_finite_differences_also_for_the_mask(masking):
    module = attention(masking)
    with torch.no_grad():
        module.alpha.copy_(torch.tensor([2.0, 1.0, 0.5, 0.25]))
    arguments = [tensor[:1].clone().requires_grad_() for tensor in inputs()]
    parameters = [parameter for name, parameter in module.named_parameters() if name in ("alpha", "query_projection.bias")]
    assert len(parameters) == (2 if masking == "soft_learnable" else 1)
    assert torch.autograd.gradcheck(lambda *tensors: module(*tensors[:4])[0], (*arguments, *parameters))
    gradient = torch.autograd.grad(module(*arguments)[0].square().sum(), arguments[3])[0]
    assert (gradient.abs() > 0).all()


def test_hard_masking_is_strict_and_leaves_empty_rows_unmasked():
    module = attention("hard")
    query, key, value, _ = inputs()
    mask = torch.zeros(BATCH, QUERIES, PIXELS, dtype=torch.float64)
    mask[:, 0] = 0.5  # not above 0.5: empty
    mask[:, 1, :2] = torch.tensor([0.5, 0.5 + 1e-9], dtype=torch.float64)
    _, weights = module(query, key, value, mask, need_weights=True)
    _, unmasked = module(query, key, value, need_weights=True)
    torch.testing.assert_close(weights[:, :, [0, 2]], unmasked[:, :, [0, 2]], rtol=0, atol=0)
    assert (weights[:, :, 1, 1] == 1).all()
    assert (weights[:, :, 1, [0, 2, 3, 4, 5]] == 0).all()


@pytest.mark.parametrize("masking", MASKINGS)
def test_an_empty_mask_attends_like_a_full_one(masking):
    module = attention(masking)
    query, key, value, mask = inputs()
    empty, full, none = (module(query, key, value, m)[0] for m in (torch.zeros_like(mask), torch.ones_like(mask), None))
    torch.testing.assert_close(empty, full, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(full, none, rtol=1e-12, atol=1e-14)


def test_a_constant_added_to_a_mask_changes_nothing_and_contrast_does():
    module = attention()
    query, key, value, mask = inputs()
    result = module(query, key, value, mask / 2)[0]
    torch.testing.assert_close(module(query, key, value, mask / 2 + 0.25)[0], result, rtol=1e-9, atol=1e-12)
    assert (module(query, key, value, mask)[0] - result).abs().max() > 1e-3


@pytest.mark.parametrize("masking", MASKINGS)
def test_padded_keys_are_as_if_left_out(masking):
    module = attention(masking)
    query, key, value, mask = inputs()
    mask[..., 0] = 0.9  # something visible remains for hard masking
    padded = torch.zeros(BATCH, PIXELS, dtype=torch.bool)
    padded[:, [2, 5]] = True
    kept = [0, 1, 3, 4]
    expected, expected_weights = module(query, key[:, kept], value[:, kept], mask[..., kept], need_weights=True)
    actual, weights = module(query, key, value, mask, key_padding_mask=padded, need_weights=True)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(weights[..., kept], expected_weights, rtol=1e-12, atol=1e-14)
    assert (weights[..., [2, 5]] == 0).all()


def test_weights_have_a_row_per_head_and_query_that_sums_to_one():
    query, key, value, mask = inputs()
    result, weights = attention()(query, key, value, mask, need_weights=True)
    assert result.shape == query.shape
    assert weights.shape == (BATCH, HEADS, QUERIES, PIXELS)
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(BATCH, HEADS, QUERIES, dtype=torch.float64))
    assert attention()(query, key, value, mask)[1] is None


@pytest.mark.parametrize("masking", MASKINGS)
def test_without_a_mask_equals_torch(masking):
    module = attention(masking)
    torchs = torch.nn.MultiheadAttention(CHANNELS, HEADS, batch_first=True).double().eval()
    projections = [module.query_projection, module.key_projection, module.value_projection]
    torchs.load_state_dict(
        {
            "in_proj_weight": torch.cat([projection.weight for projection in projections]),
            "in_proj_bias": torch.cat([projection.bias for projection in projections]),
            "out_proj.weight": module.output_projection.weight,
            "out_proj.bias": module.output_projection.bias,
        }
    )
    query, key, value, _ = inputs()
    padded = torch.zeros(BATCH, PIXELS, dtype=torch.bool)
    padded[0, 1:3] = True
    actual, weights = module(query, key, value, key_padding_mask=padded, need_weights=True)
    expected, expected_weights = torchs(query, key, value, key_padding_mask=padded, average_attn_weights=False)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(weights, expected_weights, rtol=1e-12, atol=1e-14)


def test_the_call_reads_like_torchs():
    ours = inspect.signature(SoftMaskedAttention.forward).parameters
    theirs = inspect.signature(torch.nn.MultiheadAttention.forward).parameters
    assert list(ours)[:4] == list(theirs)[:4] == ["self", "query", "key", "value"]
    assert set(ours) - {"mask"} <= set(theirs)


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        (8, [32, 32, 16, 16, 8, 8, 4, 4]),
        (4, [32, 16, 8, 4]),
        (1, [32]),
        (2, [32, 8]),
        (16, [32] * 4 + [16] * 4 + [8] * 4 + [4] * 4),
        (3, [32, 16, 8]),
    ],
)
def test_initial_alpha(heads, expected):
    assert initial_alpha(heads).tolist() == expected
    assert SoftMaskedAttention(heads * 2, heads).alpha.tolist() == expected


def test_alpha_is_learned_fixed_or_not_there():
    learnable, fixed, hard, none = (attention(masking) for masking in ("soft_learnable", "soft_fixed", "hard", "none"))
    assert dict(learnable.named_parameters())["alpha"].requires_grad
    assert "alpha" not in dict(fixed.named_parameters())
    assert fixed.state_dict()["alpha"].tolist() == [32, 16, 8, 4]
    assert "alpha" not in hard.state_dict() and "alpha" not in none.state_dict()


def test_dropout_acts_on_the_weights_and_in_training_only():
    module = attention(dropout=0.5)
    query, key, value, mask = inputs()
    expected = module(query, key, value, mask)[0]
    assert torch.equal(module(query, key, value, mask)[0], expected)
    with torch.no_grad():  # outputs are the weights themselves
        for projection in (module.value_projection, module.output_projection):
            projection.weight.copy_(torch.eye(CHANNELS))
            projection.bias.zero_()
    module.train()
    torch.manual_seed(0)
    ones = torch.ones(1, 1, CHANNELS, dtype=torch.float64)
    single = {float(module(ones, ones, ones)[0][0, 0, head * 2].detach()) for _ in range(50) for head in range(HEADS)}
    assert single == {0.0, 2.0}  # the one weight, 1, is dropped or doubled


def test_errors():
    with pytest.raises(ValueError, match="3 heads don't divide 8 channels"):
        SoftMaskedAttention(8, 3)
    with pytest.raises(ValueError, match=r"none, hard, soft_fixed, soft_learnable, not 'soft'"):
        SoftMaskedAttention(8, 4, masking="soft")
    query, key, value, mask = inputs()
    for wrong in (mask[0], mask[:, :2], mask[..., :5], mask[:, None]):
        with pytest.raises(ValueError, match=r"the mask must be \[2, 3, 6\]"):
            attention()(query, key, value, wrong)


@pytest.mark.parametrize("masking", MASKINGS)
def test_few_queries_take_a_shorter_way_to_the_same_numbers_and_gradients(masking):
    """With fewer rows than channels the projections of keys and values are applied to queries and sums instead."""
    assert HEADS < CHANNELS <= HEADS * QUERIES
    module = attention(masking)
    query, key, value, mask = inputs()
    found = []
    for parts in ([slice(None)], [slice(index, index + 1) for index in range(QUERIES)]):
        leaves = [each.clone().requires_grad_() for each in (query, key, value, mask)]
        module.zero_grad()
        outputs = [module(leaves[0][:, part], *leaves[1:3], leaves[3][:, part], need_weights=True) for part in parts]
        result = torch.cat([output for output, _ in outputs], dim=1)
        weights = torch.cat([each for _, each in outputs], dim=2)
        (result.sin().sum() + weights.cos().sum()).backward()
        gradients = [each.grad for each in (*leaves, *module.parameters()) if each.grad is not None]
        found.append([result, weights, *gradients])
    assert len(found[0]) == len(found[1]) >= 2 + 3 + 8
    for many, few in zip(*found, strict=True):
        torch.testing.assert_close(few, many, rtol=1e-10, atol=1e-12)
