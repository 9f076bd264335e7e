"""The names that the original code gives to weights, and ours."""

import re
from collections.abc import Iterable

import torch
from torch import nn

from hodor.modelling.swin import relative_position_index

_NAMES = {
    "feature_extractor.": """
        bb_fpn.0.patch_embed.proj. backbone.patch_embedding.
        bb_fpn.0.patch_embed.norm. backbone.patch_norm.
        bb_fpn.0.layers.#.blocks.#.norm1. backbone.stages.#.#.norm_attention.
        bb_fpn.0.layers.#.blocks.#.attn.relative_position_bias_table backbone.stages.#.#.attention.relative_position_bias
        bb_fpn.0.layers.#.blocks.#.attn.qkv. backbone.stages.#.#.attention.qkv.
        bb_fpn.0.layers.#.blocks.#.attn.proj. backbone.stages.#.#.attention.projection.
        bb_fpn.0.layers.#.blocks.#.norm2. backbone.stages.#.#.norm_mlp.
        bb_fpn.0.layers.#.blocks.#.mlp.fc1. backbone.stages.#.#.mlp_in.
        bb_fpn.0.layers.#.blocks.#.mlp.fc2. backbone.stages.#.#.mlp_out.
        bb_fpn.0.layers.#.downsample. backbone.mergers.#.
        bb_fpn.0.norm#. backbone.norms.#.
        bb_fpn.1.lateral_convs.#.conv. pyramid.lateral.#.
        bb_fpn.1.fpn_convs.#.conv. pyramid.output.#.
        norm_layers.0. norm_4.
        norm_layers.1. norm_8.
    """,
    "encoder.": """
        fg_query_embed object_embedding
        bg_query_embed background_embedding
        attn_layers.#.norm1. layers.#.norm_self_attention.
        attn_layers.#.self_attn. layers.#.self_attention.
        attn_layers.#.norm2. layers.#.norm_masked_attention.
        attn_layers.#.cross_attn.scaling_factors layers.#.masked_attention.alpha
        attn_layers.#.cross_attn.q_proj. layers.#.masked_attention.query_projection.
        attn_layers.#.cross_attn.k_proj. layers.#.masked_attention.key_projection.
        attn_layers.#.cross_attn.v_proj. layers.#.masked_attention.value_projection.
        attn_layers.#.cross_attn.out_proj. layers.#.masked_attention.output_projection.
        attn_layers.#.norm3. layers.#.norm_feed_forward.
        attn_layers.#.ffn. layers.#.feed_forward.
        norm. norm.
    """,
    "decoder.": """
        attn_layers.#.self_attn_conv_substitute.0.conv_offsets. layers.#.convolution.offsets.
        attn_layers.#.self_attn_conv_substitute.0.conv_deform. layers.#.convolution.convolution.
        attn_layers.#.self_attn_conv_substitute.2. layers.#.norm_convolution.
        attn_layers.#.k_proj_fg. layers.#.attention.object_key_projection.
        attn_layers.#.k_proj_bg. layers.#.attention.background_key_projection.
        attn_layers.#.v_proj_fg. layers.#.attention.object_value_projection.
        attn_layers.#.v_proj_bg. layers.#.attention.background_value_projection.
        attn_layers.#.cross_attn.q_proj. layers.#.attention.query_projection.
        attn_layers.#.norm1. layers.#.norm_attention.
        attn_layers.#.norm2. layers.#.norm_feed_forward.
        attn_layers.#.fc1. layers.#.linear_in.
        attn_layers.#.fc2. layers.#.linear_out.
        norm_fmap. norm.
        conv_4x_reduce. reduce_4.
        conv_4x. smooth_4.
        instance_query_proj. object_projection.
        bg_query_proj. background_projection.
        catch_all_conv. catch_all.
    """,
}
"""By the part of the network: the original's name, ours. "#" is a number; what ends in a dot stands for all that begin so."""
_INDEX = re.compile(r"feature_extractor\.bb_fpn\.0\.layers\.\d+\.blocks\.\d+\.attn\.relative_position_index")


def _compiled(source: str, target: str) -> tuple[re.Pattern[str], str]:
    """A pattern that matches a whole name, and a template that takes over the numbers and the end of the name."""
    open_end = source.endswith(".")
    pattern = re.escape(source).replace(r"\#", r"(\d+)") + (r"(\w[\w.]*)" if open_end else "")
    return re.compile(pattern), target.replace("#", "{}") + ("{}" if open_end else "")


_PAIRS = [[part + name for name in line.split()] for part, table in _NAMES.items() for line in table.strip().splitlines()]
_TO_OURS = [_compiled(original, ours) for original, ours in _PAIRS]
_TO_ORIGINAL = [_compiled(ours, original) for original, ours in _PAIRS]


def _translate(name: str, table: list[tuple[re.Pattern[str], str]]) -> str | None:
    matches = ((pattern.fullmatch(name), template) for pattern, template in table)
    return next((template.format(*match.groups()) for match, template in matches if match), None)


def is_original(state: dict[str, torch.Tensor]) -> bool:
    """Whether a state dict bears the original's names."""
    return any(name.startswith("feature_extractor.bb_fpn.") for name in state)


def split_original(state: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The weights of an original checkpoint that are used, under our names, and the others, under the original's.

    What has no name of ours keeps its own, for the loader to complain of. Index buffers are left out.
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


with torch.device("meta"):
    UNUSED = tuple(fresh_unused(16))
"""The thirteen weights that every original checkpoint holds and nothing uses, under the original's names."""
