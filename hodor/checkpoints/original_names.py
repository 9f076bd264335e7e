"""The names that the original code gives to weights, and ours."""

import re
from collections.abc import Iterable

import torch
from torch import nn

from hodor.modelling.swin import relative_position_index

# Original name, our name. "#" stands for a number; a name that ends in a dot stands for all that begin so.
_NAMES = [
    ("feature_extractor.bb_fpn.0.patch_embed.proj.", "feature_extractor.backbone.patch_embedding."),
    ("feature_extractor.bb_fpn.0.patch_embed.norm.", "feature_extractor.backbone.patch_norm."),
    ("feature_extractor.bb_fpn.0.layers.#.blocks.#.norm1.", "feature_extractor.backbone.stages.#.#.norm_attention."),
    (
        "feature_extractor.bb_fpn.0.layers.#.blocks.#.attn.relative_position_bias_table",
        "feature_extractor.backbone.stages.#.#.attention.relative_position_bias",
    ),
    ("feature_extractor.bb_fpn.0.layers.#.blocks.#.attn.qkv.", "feature_extractor.backbone.stages.#.#.attention.qkv."),
    ("feature_extractor.bb_fpn.0.layers.#.blocks.#.attn.proj.", "feature_extractor.backbone.stages.#.#.attention.projection."),
    ("feature_extractor.bb_fpn.0.layers.#.blocks.#.norm2.", "feature_extractor.backbone.stages.#.#.norm_mlp."),
    ("feature_extractor.bb_fpn.0.layers.#.blocks.#.mlp.fc1.", "feature_extractor.backbone.stages.#.#.mlp_in."),
    ("feature_extractor.bb_fpn.0.layers.#.blocks.#.mlp.fc2.", "feature_extractor.backbone.stages.#.#.mlp_out."),
    ("feature_extractor.bb_fpn.0.layers.#.downsample.", "feature_extractor.backbone.mergers.#."),
    ("feature_extractor.bb_fpn.0.norm#.", "feature_extractor.backbone.norms.#."),
    ("feature_extractor.bb_fpn.1.lateral_convs.#.conv.", "feature_extractor.pyramid.lateral.#."),
    ("feature_extractor.bb_fpn.1.fpn_convs.#.conv.", "feature_extractor.pyramid.output.#."),
    ("feature_extractor.norm_layers.0.", "feature_extractor.norm_4."),
    ("feature_extractor.norm_layers.1.", "feature_extractor.norm_8."),
    ("encoder.fg_query_embed", "encoder.object_embedding"),
    ("encoder.bg_query_embed", "encoder.background_embedding"),
    ("encoder.attn_layers.#.norm1.", "encoder.layers.#.norm_self_attention."),
    ("encoder.attn_layers.#.self_attn.", "encoder.layers.#.self_attention."),
    ("encoder.attn_layers.#.norm2.", "encoder.layers.#.norm_masked_attention."),
    ("encoder.attn_layers.#.cross_attn.scaling_factors", "encoder.layers.#.masked_attention.alpha"),
    ("encoder.attn_layers.#.cross_attn.q_proj.", "encoder.layers.#.masked_attention.query_projection."),
    ("encoder.attn_layers.#.cross_attn.k_proj.", "encoder.layers.#.masked_attention.key_projection."),
    ("encoder.attn_layers.#.cross_attn.v_proj.", "encoder.layers.#.masked_attention.value_projection."),
    ("encoder.attn_layers.#.cross_attn.out_proj.", "encoder.layers.#.masked_attention.output_projection."),
    ("encoder.attn_layers.#.norm3.", "encoder.layers.#.norm_feed_forward."),
    ("encoder.attn_layers.#.ffn.", "encoder.layers.#.feed_forward."),
    ("encoder.norm.", "encoder.norm."),
    ("decoder.attn_layers.#.self_attn_conv_substitute.0.conv_offsets.", "decoder.layers.#.convolution.offsets."),
    ("decoder.attn_layers.#.self_attn_conv_substitute.0.conv_deform.", "decoder.layers.#.convolution.convolution."),
    ("decoder.attn_layers.#.self_attn_conv_substitute.2.", "decoder.layers.#.norm_convolution."),
    ("decoder.attn_layers.#.k_proj_fg.", "decoder.layers.#.attention.object_key_projection."),
    ("decoder.attn_layers.#.k_proj_bg.", "decoder.layers.#.attention.background_key_projection."),
    ("decoder.attn_layers.#.v_proj_fg.", "decoder.layers.#.attention.object_value_projection."),
    ("decoder.attn_layers.#.v_proj_bg.", "decoder.layers.#.attention.background_value_projection."),
    ("decoder.attn_layers.#.cross_attn.q_proj.", "decoder.layers.#.attention.query_projection."),
    ("decoder.attn_layers.#.norm1.", "decoder.layers.#.norm_attention."),
    ("decoder.attn_layers.#.norm2.", "decoder.layers.#.norm_feed_forward."),
    ("decoder.attn_layers.#.fc1.", "decoder.layers.#.linear_in."),
    ("decoder.attn_layers.#.fc2.", "decoder.layers.#.linear_out."),
    ("decoder.norm_fmap.", "decoder.norm."),
    ("decoder.conv_4x_reduce.", "decoder.reduce_4."),
    ("decoder.conv_4x.", "decoder.smooth_4."),
    ("decoder.instance_query_proj.", "decoder.object_projection."),
    ("decoder.bg_query_proj.", "decoder.background_projection."),
    ("decoder.catch_all_conv.", "decoder.catch_all."),
]

UNUSED = (
    *(f"feature_extractor.bb_fpn.1.fpn_convs.{level}.conv.{kind}" for level in (2, 3) for kind in ("weight", "bias")),
    *(f"feature_extractor.norm_layers.{level}.{kind}" for level in (2, 3, 4) for kind in ("weight", "bias")),
    *(f"decoder.fmap_proj_4x.{name}" for name in ("0.weight", "2.weight", "2.bias")),
)
"""The thirteen weights that every original checkpoint holds and nothing uses, under the original's names."""

_INDEX = re.compile(r"feature_extractor\.bb_fpn\.0\.layers\.\d+\.blocks\.\d+\.attn\.relative_position_index")


def _compiled(pairs: list[tuple[str, str]]) -> list[tuple[re.Pattern[str], str]]:
    """Patterns that match a whole name, and templates that take over the numbers and the end of the name."""
    result = []
    for source, target in pairs:
        open_end = source.endswith(".")
        pattern = re.escape(source).replace(r"\#", r"(\d+)") + (r"(\w[\w.]*)" if open_end else "")
        result.append((re.compile(pattern), target.replace("#", "{}") + ("{}" if open_end else "")))
    return result


_TO_OURS = _compiled(_NAMES)
_TO_ORIGINAL = _compiled([(ours, original) for original, ours in _NAMES])


def _translate(name: str, table: list[tuple[re.Pattern[str], str]]) -> str | None:
    matches = ((pattern.fullmatch(name), template) for pattern, template in table)
    return next((template.format(*match.groups()) for match, template in matches if match), None)


def is_original(state: dict[str, torch.Tensor]) -> bool:
    """Whether a state dict bears the original's names."""
    return any(name.startswith("feature_extractor.bb_fpn.") for name in state)


def split_original(state: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Sorts the weights of an original checkpoint.

    Returns:
        The used weights under our names (what has no name of ours keeps its own, for the loader to complain of), and the
        thirteen that are stored but never used, under their original names. Index buffers are left out.
    """
    used, unused = {}, {}
    for name, value in state.items():
        if name in UNUSED:
            unused[name] = value
        elif not _INDEX.fullmatch(name):
            used[_translate(name, _TO_OURS) or name] = value
    return used, unused


def original_name(name: str) -> str | None:
    """Our name of a weight -> the original's; None where it knows no such weight, which then belongs to an ablation."""
    return _translate(name, _TO_ORIGINAL)


def index_buffers(names: Iterable[str]) -> dict[str, torch.Tensor]:
    """The buffers that an original checkpoint holds beside each of the bias tables in `names` (original names)."""
    tables = [name for name in names if name.endswith(".relative_position_bias_table")]
    return {name.replace("bias_table", "index"): relative_position_index().clone() for name in tables}


def fresh_unused(channels: int) -> dict[str, torch.Tensor]:
    """The thirteen stored but unused weights of the original, freshly initialised, for a model that never had them."""
    modules = {
        **{f"feature_extractor.bb_fpn.1.fpn_convs.{level}.conv.": nn.Conv2d(channels, channels, 3) for level in (2, 3)},
        **{f"feature_extractor.norm_layers.{level}.": nn.GroupNorm(16, channels) for level in (2, 3, 4)},
        "decoder.fmap_proj_4x.2.": nn.GroupNorm(8, channels),
        "decoder.fmap_proj_4x.0.": nn.Conv2d(channels, channels, 1, bias=False),
    }
    return {prefix + name: value for prefix, module in modules.items() for name, value in module.state_dict().items()}
