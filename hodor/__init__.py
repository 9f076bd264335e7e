"""HODOR: high-level object descriptors for object re-segmentation in video, learned from static images (CVPR 2022).

    import hodor
    segmenter = hodor.Segmenter.of("compact")     # or the path of a checkpoint
    labels = segmenter.step(frame, {1: mask})

The names below are imported when they are first used, so that programs which need no network start at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hodor.checkpoints.checkpoint import Checkpoint, export_original, load, save_checkpoint
    from hodor.checkpoints.push import push_to_hub
    from hodor.errors import HodorError
    from hodor.formats.object_files import DescribedObject, read_object, write_object
    from hodor.inference.segmenter import Segmenter
    from hodor.media.drawing import draw
    from hodor.media.videos import read_video
    from hodor.modelling.model import HODOR
    from hodor.modelling.soft_masked_attention import SoftMaskedAttention

__version__ = "0.1.0"

_HOMES = {
    "Checkpoint": "hodor.checkpoints.checkpoint",
    "DescribedObject": "hodor.formats.object_files",
    "HODOR": "hodor.modelling.model",
    "HodorError": "hodor.errors",
    "Segmenter": "hodor.inference.segmenter",
    "SoftMaskedAttention": "hodor.modelling.soft_masked_attention",
    "draw": "hodor.media.drawing",
    "export_original": "hodor.checkpoints.checkpoint",
    "load": "hodor.checkpoints.checkpoint",
    "push_to_hub": "hodor.checkpoints.push",
    "read_object": "hodor.formats.object_files",
    "read_video": "hodor.media.videos",
    "save_checkpoint": "hodor.checkpoints.checkpoint",
    "write_object": "hodor.formats.object_files",
}

__all__ = [
    "HODOR",
    "Checkpoint",
    "DescribedObject",
    "HodorError",
    "Segmenter",
    "SoftMaskedAttention",
    "__version__",
    "draw",
    "export_original",
    "load",
    "push_to_hub",
    "read_object",
    "read_video",
    "save_checkpoint",
    "write_object",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hodor' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
