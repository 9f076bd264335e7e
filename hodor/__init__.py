"""HODOR: high-level object descriptors for object re-segmentation in video, learned from static images (CVPR 2022).

    import hodor
    segmenter = hodor.Segmenter.of(hodor.load("checkpoint.pth"))
    labels = segmenter.step(frame, {1: mask})

The names below are imported when they are first used, so that programs which need no network start at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hodor.checkpoints.checkpoint import Checkpoint, export_original, load, save_checkpoint
    from hodor.errors import HodorError
    from hodor.inference.segmenter import Segmenter
    from hodor.modelling.model import HODOR
    from hodor.modelling.soft_masked_attention import SoftMaskedAttention

_HOMES = {
    "Checkpoint": "hodor.checkpoints.checkpoint",
    "HODOR": "hodor.modelling.model",
    "HodorError": "hodor.errors",
    "Segmenter": "hodor.inference.segmenter",
    "SoftMaskedAttention": "hodor.modelling.soft_masked_attention",
    "export_original": "hodor.checkpoints.checkpoint",
    "load": "hodor.checkpoints.checkpoint",
    "save_checkpoint": "hodor.checkpoints.checkpoint",
}

__all__ = [
    "HODOR",
    "Checkpoint",
    "HodorError",
    "Segmenter",
    "SoftMaskedAttention",
    "export_original",
    "load",
    "save_checkpoint",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hodor' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
