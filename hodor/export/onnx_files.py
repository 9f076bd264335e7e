"""Writing the three functions as ONNX files, with what a program that runs them must know."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch.export import Dim

from hodor.checkpoints.checkpoint import Checkpoint
from hodor.errors import HodorError
from hodor.export.functions import Describe, ExtractFeatures, NetworkFunction, Segment, exportable
from hodor.files import folder_written_aside

FORMAT = "1"
"""Of what the files take, give and say of themselves; programs that run them refuse any other."""
_OPSET = 20
_HEIGHT, _WIDTH, _OBJECTS, _FRAMES = 96, 160, 3, 2  # of the examples that are traced; none of them is kept


_Inputs = dict[str, tuple[torch.Tensor, dict[int, Any]]]
"""Examples of a function's inputs, with their sizes that may change."""


def write_onnx(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes features.onnx, describe.onnx and segment.onnx; all or none. Any size, number of objects and of frames will do.

    Their metadata hold "hodor_format", `FORMAT`, and "hodor_settings", JSON of what `settings` gives.

    Args:
        folder: is made.
        checkpoint: what to write.

    Raises:
        HodorError: the folder exists, or the network is one that can't be written.
    """
    if folder.exists():
        raise HodorError(f"{folder}: exists already; remove it, or choose another name")
    properties = {"hodor_format": FORMAT, "hodor_settings": json.dumps(settings(checkpoint))}
    with folder_written_aside(folder) as aside:
        for name, (function, inputs) in _functions(checkpoint).items():
            proto = _traced(name, function, inputs)
            for part in (proto.graph, *proto.graph.node):
                part.ClearField("metadata_props")  # how it was traced: a tenth of the file, with paths of this machine
            onnx.helper.set_model_props(proto, properties)
            onnx.save(proto, aside / f"{name}.onnx")


def settings(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the files' users need: normalisation, sizes, counts, and the memory that the network is meant to be used with."""
    model, config = checkpoint.model, checkpoint.config
    return {
        "mean": model.mean.flatten().tolist(),
        "std": model.std.flatten().tolist(),
        "channel_order": model.channel_order,
        "background_channels": model.num_background_channels,
        "min_dim": config.input.min_dim,
        "max_dim": config.input.max_dim,
        **{name: getattr(config.inference, name) for name in config.inference.fields},
    }


def _functions(checkpoint: Checkpoint) -> dict[str, tuple[NetworkFunction, _Inputs]]:
    model = exportable(checkpoint.model)
    channels, cells = model.encoder.embeddings.object.shape[0], model.num_background
    rows, columns = Dim("rows", min=1, max=1024), Dim("columns", min=1, max=1024)
    objects, frames = Dim("objects", min=1, max=255), Dim("frames", min=1, max=1 << 20)

    def maps(count: int, stride: int) -> tuple[torch.Tensor, dict[int, Any]]:
        values = torch.rand(1, count, _HEIGHT // stride, _WIDTH // stride)
        return values, {2: 32 // stride * rows, 3: 32 // stride * columns}

    image, stride_4, stride_8 = maps(3, 1), maps(channels, 4), maps(channels, 8)
    masks, sizes = maps(_OBJECTS, 1)
    of_objects, of_frames = {1: objects, 2: frames}, {2: frames}
    to_describe = {
        "stride_8": stride_8,
        "masks": (masks, {1: objects, **sizes}),
        "given": (torch.tensor([True, False, True]), {0: objects}),
    }
    to_segment = {
        "stride_4": stride_4,
        "stride_8": stride_8,
        "objects": (torch.rand(1, _OBJECTS, _FRAMES, channels), of_objects),
        "background": (torch.rand(1, cells, _FRAMES, channels), of_frames),
        "objects_absent": (torch.zeros(1, _OBJECTS, _FRAMES, dtype=torch.bool), of_objects),
        "background_absent": (torch.zeros(1, cells, _FRAMES, dtype=torch.bool), of_frames),
    }
    return {
        "features": (ExtractFeatures(model), {"image": image}),
        "describe": (Describe(model), to_describe),
        "segment": (Segment(model), to_segment),
    }


def _traced(name: str, function: NetworkFunction, inputs: _Inputs) -> onnx.ModelProto:
    """A function as ONNX.

    Raises:
        HodorError: it uses what ONNX hasn't.
    """
    for library in ("onnx_ir", "onnxscript", "torch.onnx", "torch.export"):
        logging.getLogger(library).setLevel(logging.ERROR)  # they tell of each thing that they simplify
    examples, sizes = zip(*inputs.values(), strict=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                function.eval(),
                examples,
                input_names=list(inputs),
                output_names=function.outputs,
                dynamic_shapes=sizes,
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HodorError(f"{name}: this network can't be written as ONNX ({reason}); choose another backbone") from None
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    return proto
