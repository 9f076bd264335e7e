"""The program `hodor infer`: segments a data set of videos and writes masks in the form that its benchmark asks for.

What can be wrong is found before the network's libraries are loaded, which takes seconds; see `run.py` for the rest.
"""

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path

from hodor.checkpoints.hub import is_hub_name, parse_hub_name
from hodor.checkpoints.weights import is_shipped, locate_existing
from hodor.devices import keep_freed_memory
from hodor.distributed import Group
from hodor.errors import HodorError
from hodor.files import inside, refuse_file_in_place
from hodor.formats.inference_json import InferenceSequence, read_inference_json
from hodor.inference.options import parser
from hodor.inference.results import ResultsFolder
from hodor.workspace import Workspace


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code: 1 if a sequence failed."""
    options = parser().parse_args(arguments)
    keep_freed_memory()
    with Group() as group:
        with group.agreed(), group.heard_once():
            weights, sequences, images, results = _plan(options)
        from hodor.inference.run import segment_dataset  # noqa: PLC0415 (torch takes seconds to import)

        return segment_dataset(options, group, weights=weights, sequences=sequences, images=images, results=results)


def _plan(options: argparse.Namespace) -> tuple[Path, list[InferenceSequence], Path, ResultsFolder]:
    """The file of the weights, the sequences to segment, the folder of their images, and where the masks go."""
    workspace = Workspace.from_environment()
    checkpoint = locate_existing(options.checkpoint, workspace.checkpoints)
    inside(workspace.root, options.dataset, "--dataset")
    annotations, images = workspace.annotations(options.dataset), workspace.images(options.dataset)
    by_id = {sequence.id: sequence for sequence in read_inference_json(annotations)}
    wanted = by_id if options.seqs is None else options.seqs
    for sequence_id in wanted:
        if sequence_id not in by_id:
            close = difflib.get_close_matches(sequence_id, list(by_id), n=1, cutoff=0)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise HodorError(f"--seqs: {annotations} has no sequence {sequence_id!r}{hint}")
    if not images.is_dir():
        raise HodorError(f"{images}: no such folder; put the frames there, or see hodor convert --help")
    folder = _output_folder(options, checkpoint, workspace)
    results = ResultsFolder(folder, options.dataset, with_overlays=options.save_vis)
    results.refuse_clashes(by_id.values())
    return checkpoint, [by_id[sequence_id] for sequence_id in dict.fromkeys(wanted)], images, results


def _output_folder(options: argparse.Namespace, checkpoint: Path, workspace: Workspace) -> Path:
    beside = workspace.checkpoints / checkpoint.stem if is_shipped(checkpoint) else checkpoint.parent
    if is_hub_name(options.checkpoint):
        beside = workspace.checkpoints / parse_hub_name(options.checkpoint).repository
    folder: Path = beside / (options.output_dir or f"{options.dataset}_inference")
    refuse_file_in_place(folder, "--output_dir")
    return folder
