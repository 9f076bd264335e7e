import json
import math

import pytest
import torch
import torchvision
from support.goldens import FOLDER
from torch.nn import functional as F

from hodor.modelling.swin import SWIN_SIZES, DropPath, PatchMerging, SwinBlock, SwinTransformer, relative_position_index

TORCHVISION_STAGES = (1, 3, 5, 7)


def randomised(module, seed=0):
    """Weights of ordinary size everywhere, so that every one of them matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(module.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1 and "relative_position_bias" not in name:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
            else:
                parameter.copy_(("norm" in name and name.endswith("weight")) + 0.3 * noise)
    return module.eval()


def torchvision_name(name):
    """Our name of a weight -> torchvision's; None for the norms of the four outputs."""
    parts = name.split(".")
    inside = {
        "norm_attention": "norm1",
        "attention.qkv": "attn.qkv",
        "attention.projection": "attn.proj",
        "attention": "attn",
        "norm_mlp": "norm2",
        "mlp_in": "mlp.0",
        "mlp_out": "mlp.3",
    }
    if parts[0] == "stages":
        middle, last = ".".join(parts[3:-1]), parts[-1].replace("position_bias", "position_bias_table")
        return f"features.{2 * int(parts[1]) + 1}.{parts[2]}.{inside[middle]}.{last}"
    if parts[0] == "mergers":
        return f"features.{2 * int(parts[1]) + 2}.{'.'.join(parts[2:])}"
    first = {"patch_embedding": "features.0.0", "patch_norm": "features.0.2"}
    return f"{first[parts[0]]}.{parts[1]}" if parts[0] in first else None


@pytest.fixture(scope="module")
def pair():
    """Ours and torchvision's Swin-T with the same weights."""
    ours = randomised(SwinTransformer(*SWIN_SIZES["swin_tiny"]))
    theirs = torchvision.models.swin_t().eval()
    state = {torchvision_name(name): value for name, value in ours.state_dict().items()}
    state.pop(None)
    own = theirs.state_dict()
    left = {name for name in own if name not in state}
    assert all(name.endswith("relative_position_index") or name.split(".")[0] in ("norm", "head") for name in left)
    theirs.load_state_dict(own | state)
    return ours, theirs


@pytest.mark.parametrize("size", [(256, 320), (288, 256)])
def test_equals_torchvision_where_every_map_is_larger_than_a_window(pair, size):
    ours, theirs = pair
    images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = ours(images)
        x = images
        expected = []
        for index, stage in enumerate(theirs.features):
            x = stage(x)
            if index in TORCHVISION_STAGES:
                expected.append(ours.norms[len(expected)](x).permute(0, 3, 1, 2))
    assert [tuple(m.shape[1:]) for m in maps] == [(96 * 2**k, size[0] >> k + 2, size[1] >> k + 2) for k in range(4)]
    for actual, other in zip(maps, expected, strict=True):
        assert (actual - other).norm() / other.norm() < 1e-6


def region(index, length):
    return 0 if index < length - 7 else 1 if index < length - 3 else 2


def literal_block_attention(block, x):
    """Window attention of one normalised map [H, W, C], shifted by 3 or not, written out for single pixels."""
    height, width, channels = x.shape
    attention = block.attention
    heads, size = attention.num_heads, channels // attention.num_heads
    shift = 3 if block.shifted else 0
    rows, columns = math.ceil(height / 7) * 7, math.ceil(width / 7) * 7
    padded = x.new_zeros(rows, columns, channels)
    padded[:height, :width] = x
    q, k, v = attention.qkv(padded).split(channels, dim=2)
    result = torch.empty_like(padded)
    for i in range(rows):
        for j in range(columns):
            # shifted place (i, j) shows pixel (i + shift, j + shift), around the border
            pixel = ((i + shift) % rows, (j + shift) % columns)
            window = [(i // 7 * 7 + a, j // 7 * 7 + b) for a in range(7) for b in range(7)]
            others = [((a + shift) % rows, (b + shift) % columns) for a, b in window]
            forbidden = torch.tensor(
                [
                    0.0
                    if not shift or (region(a, rows), region(b, columns)) == (region(i, rows), region(j, columns))
                    else -100.0
                    for a, b in window
                ],
                dtype=x.dtype,
            )
            entry = [(i - a + 6) * 13 + j - b + 6 for a, b in window]
            for head in range(heads):
                own = slice(head * size, (head + 1) * size)
                logits = torch.stack([q[pixel][own] @ k[other][own] for other in others]) / math.sqrt(size)
                logits = logits + attention.relative_position_bias[entry, head] + forbidden
                result[pixel][own] = sum(
                    weight * v[other][own] for weight, other in zip(logits.softmax(0), others, strict=True)
                )
    return attention.projection(result)[:height, :width]


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 7), (4, 9), (8, 3)])
def test_a_block_equals_the_literal_one_on_small_and_odd_maps(size, shifted):
    block = randomised(SwinBlock(8, 2, shifted=shifted, drop_path=0.0)).double()
    x = torch.randn(2, *size, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        actual = block(x)
        attended = x + torch.stack([literal_block_attention(block, single) for single in block.norm_attention(x)])
        hidden = block.mlp_in(block.norm_mlp(attended))
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        expected = attended + block.mlp_out(hidden)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-11)


def test_a_shifted_block_differs_from_an_unshifted_one_even_in_a_single_window():
    plain, shifted = (randomised(SwinBlock(8, 2, shifted=shifted, drop_path=0.0)) for shifted in (False, True))
    x = torch.randn(1, 7, 7, 8, generator=torch.Generator().manual_seed(2))
    assert (plain(x) - shifted(x)).abs().max() > 1e-2


def test_patch_merging_reads_columns_of_two_rows():
    merging = randomised(PatchMerging(2)).double()
    x = torch.randn(1, 3, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    actual = merging(x)
    assert actual.shape == (1, 2, 3, 4)
    for i in range(2):
        for j in range(3):
            neighbours = [
                x[0, 2 * i + row, 2 * j + column] if 2 * i + row < 3 and 2 * j + column < 5 else torch.zeros(2).double()
                for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))
            ]
            joined = torch.cat(neighbours)
            normal = (joined - joined.mean()) / torch.sqrt(joined.var(correction=0) + 1e-5)
            expected = merging.reduction.weight @ (normal * merging.norm.weight + merging.norm.bias)
            torch.testing.assert_close(actual[0, i, j], expected, rtol=1e-12, atol=1e-12)
    assert merging.reduction.bias is None


def small(**kwargs):
    settings = {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 2, 4), "drop_path": 0.2} | kwargs
    return randomised(SwinTransformer(**settings))


@pytest.mark.parametrize("size", [(97, 66), (33, 130), (4, 4), (1, 3)])
def test_odd_image_sizes_are_as_if_padded_with_zeros_to_multiples_of_four(size):
    model = small()
    images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(4))
    padded = F.pad(images, (0, -size[1] % 4, 0, -size[0] % 4))
    with torch.no_grad():
        maps, expected = model(images), model(padded)
    for k, (actual, other) in enumerate(zip(maps, expected, strict=True)):
        assert actual.shape == (1, 8 * 2**k, math.ceil(size[0] / 2 ** (k + 2)), math.ceil(size[1] / 2 ** (k + 2)))
        assert torch.equal(actual, other)


def test_batch_neighbours_do_not_matter():
    model = small()
    images = torch.randn(3, 3, 72, 104, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        together = model(images)
        for index in range(3):
            for alone, all_maps in zip(model(images[index : index + 1]), together, strict=True):
                torch.testing.assert_close(all_maps[index : index + 1], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "rate"), [("swin_tiny", 0.2), ("swin_small", 0.2), ("swin_base", 0.3)])
def test_drop_path_grows_linearly_and_odd_blocks_shift(name, rate):
    _, depths, _, drop_path = SWIN_SIZES[name]
    with torch.device("meta"):
        model = SwinTransformer(8, depths, (1, 2, 2, 4), drop_path)
    blocks = [block for stage in model.stages for block in stage]
    expected = [rate * index / (len(blocks) - 1) for index in range(len(blocks))]
    assert [block.drop_path.probability for block in blocks] == pytest.approx(expected, abs=1e-6)
    assert [block.shifted for stage in model.stages for block in stage] == [
        index % 2 == 1 for depth in depths for index in range(depth)
    ]


def test_drop_path_drops_samples_in_training_only():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    x = torch.ones(4000, 2, 3)
    kept = drop.train()(x)
    whole = kept.flatten(1)
    assert ((whole == whole[:, :1]).all(dim=1)).all()
    assert sorted(set(whole[:, 0].tolist())) == pytest.approx([0, 4 / 3])
    assert (whole[:, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(drop.eval()(x), x)
    model = small(drop_path=0.5)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(images)[3], model(images)[3])
        model.train()
        assert len({model(images)[3].sum().item() for _ in range(8)}) > 1


def test_gradients_reach_every_weight_also_the_relative_position_bias():
    model = small()
    images = torch.randn(1, 3, 128, 160, generator=torch.Generator().manual_seed(6))
    sum(m.square().mean() for m in model(images)).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad != 0).any(), name
    bias = model.stages[0][0].attention.relative_position_bias
    assert (bias.grad != 0).all()  # each of the 169 differences occurs in a window


def test_relative_position_index_is_that_of_the_original():
    entries = json.loads((FOLDER / "original_state_dict.json").read_text())
    indices = {name: entry for name, entry in entries.items() if name.endswith("relative_position_index")}
    assert len(indices) == 12
    for shape, _, constant in indices.values():
        assert torch.equal(relative_position_index(), torch.tensor(constant).reshape(shape))


@pytest.mark.parametrize(
    ("name", "reference", "widths"),
    [
        ("swin_tiny", torchvision.models.swin_t, (96, 192, 384, 768)),
        ("swin_small", torchvision.models.swin_s, (96, 192, 384, 768)),
        ("swin_base", torchvision.models.swin_b, (128, 256, 512, 1024)),
    ],
)
def test_sizes_are_those_of_torchvision(name, reference, widths):
    with torch.device("meta"):
        model = SwinTransformer(*SWIN_SIZES[name])
        theirs = reference()
    assert model.out_channels == widths
    shapes = {name: parameter.shape for name, parameter in theirs.named_parameters() if name.startswith("features.")}
    own = {torchvision_name(name): parameter.shape for name, parameter in model.named_parameters()}
    assert own.pop(None) == (widths[-1],)
    assert own == shapes
    assert sum(shape.numel() for shape in own.values()) == sum(shape.numel() for shape in shapes.values())
