"""The program `hodor infer`: segments a data set of videos and writes masks in the form that its benchmark asks for."""

import argparse
import contextlib
import difflib
import hashlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hodor.checkpoints.checkpoint import Checkpoint, fingerprint, load
from hodor.checkpoints.weights import is_shipped, locate
from hodor.devices import keep_freed_memory, own_device
from hodor.distributed import Group, share
from hodor.errors import HodorError
from hodor.files import errors_naming, folder_lock, inside
from hodor.formats.inference_json import InferenceSequence, read_inference_json
from hodor.inference.options import memory_and_sizes, parser
from hodor.inference.results import ResultsFolder, results_format
from hodor.inference.segmenter import Segmenter
from hodor.inference.sequences import SegmentationJob, SegmentationOutcome, Timing, segment_sequences
from hodor.program import complain
from hodor.workspace import Workspace, inference_dataset

_LOGGER = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code: 1 if a sequence failed."""
    options = parser().parse_args(arguments)
    keep_freed_memory()
    group = Group()
    try:
        with contextlib.ExitStack() as held:
            return _run(options, group, held)
    finally:
        group.leave()


def _run(options: argparse.Namespace, group: Group, held: contextlib.ExitStack) -> int:
    """Segments what is left to do; `held` keeps the output folder locked until the end."""
    with group.agreed(), _heard_once(group):
        workspace = Workspace.from_environment()
        options.checkpoint = locate(options.checkpoint, workspace.checkpoints)
        inside(workspace.root, options.dataset, "--dataset")
        dataset = inference_dataset(options.dataset)
        annotations, images = workspace.annotations(dataset), workspace.images(dataset)
        everything = read_inference_json(annotations)
        sequences = _select(everything, options.seqs, annotations)
        if not images.is_dir():
            raise HodorError(f"{images}: no such folder; put the frames there, or see hodor convert --help")
        folder = _output_folder(options, workspace)
        checkpoint = load(options.checkpoint)
        segmenter = _segmenter(checkpoint, options)
        results = ResultsFolder(folder, results_format(options.dataset), with_overlays=options.save_vis)
        results.refuse_clashes(everything)
        if group.is_first:
            held.enter_context(folder_lock(folder))
    jobs: list[SegmentationJob] = []
    with group.agreed(), errors_naming(folder):
        if group.is_first:
            jobs = _unfinished(sequences, images, results, _run_settings(checkpoint, options))
    jobs = group.from_first(jobs)  # not before does anyone write, which could change what is unfinished
    with errors_naming(folder):
        outcome = _segment_own(segmenter, jobs, images, results, group, max_pixels=options.max_pixels)
    outcomes = group.gather(outcome)
    failed = group.from_first(any(each.failures for each in outcomes))
    with group.agreed(), errors_naming(folder):
        if group.is_first:
            _finish(sequences, results, outcomes, segmenter.device.type)
    return 1 if failed else 0


@contextlib.contextmanager
def _heard_once(group: Group) -> Iterator[None]:
    """Silences the warnings of all processes but the first."""
    if group.is_first:
        yield
        return
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _select(sequences: list[InferenceSequence], wanted: list[str] | None, source: Path) -> list[InferenceSequence]:
    if wanted is None:
        return sequences
    by_id = {sequence.id: sequence for sequence in sequences}
    for sequence_id in wanted:
        if sequence_id not in by_id:
            close = difflib.get_close_matches(sequence_id, list(by_id), n=1, cutoff=0)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise HodorError(f"--seqs: {source} has no sequence {sequence_id!r}{hint}")
    return [by_id[sequence_id] for sequence_id in dict.fromkeys(wanted)]


def _output_folder(options: argparse.Namespace, workspace: Workspace) -> Path:
    checkpoint: Path = options.checkpoint
    beside = workspace.checkpoints / checkpoint.stem if is_shipped(checkpoint) else checkpoint.parent
    folder: Path = beside / (options.output_dir or f"{options.dataset}_inference")
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if existing.is_file():
        raise HodorError(f"{folder}: {existing} is a file, so no folder can be made there; choose another --output_dir")
    return folder


def _segmenter(checkpoint: Checkpoint, options: argparse.Namespace) -> Segmenter:
    if options.precision == "float32":
        torch.backends.cudnn.allow_tf32 = False
    return Segmenter(
        checkpoint.model,
        **memory_and_sizes(checkpoint, options),
        device=own_device(options.device),
        precision=options.precision,
        compiled=options.compile,
        look_ahead=options.look_ahead,
    )


def _run_settings(checkpoint: Checkpoint, options: argparse.Namespace) -> dict[str, Any]:
    """What the masks of a run depend on, apart from the sequence."""
    return {
        "checkpoint": fingerprint(options.checkpoint),
        "config": repr((checkpoint.config.input, checkpoint.config.model)),
        **memory_and_sizes(checkpoint, options),
        "precision": options.precision,
        "compiled": options.compile,
        "look_ahead": options.look_ahead,
        "overlays": options.save_vis,
    }


def _sequence_settings(sequence: InferenceSequence, images: Path) -> dict[str, Any]:
    """What the masks of a sequence depend on: what is given, and the frames as they are now."""
    digest = hashlib.sha256(repr(sequence).encode())
    for image_path in sequence.image_paths:
        path = images / image_path
        if path.is_file():
            digest.update(f"{path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    return {"sequence": digest.hexdigest()}


def _unfinished(
    sequences: Sequence[InferenceSequence], images: Path, results: ResultsFolder, run_settings: Mapping[str, Any]
) -> list[SegmentationJob]:
    """What is left to do. Nobody may write meanwhile."""
    jobs = [SegmentationJob(sequence, {**run_settings, **_sequence_settings(sequence, images)}) for sequence in sequences]
    todo = [job for job in jobs if not results.is_finished(job.sequence, job.settings)]
    if len(todo) < len(jobs):
        _LOGGER.info("%d of %d sequences are finished already", len(jobs) - len(todo), len(jobs))
    results.remove_archive()
    return todo


def _segment_own(
    segmenter: Segmenter,
    jobs: Sequence[SegmentationJob],
    images: Path,
    results: ResultsFolder,
    group: Group,
    *,
    max_pixels: int,
) -> SegmentationOutcome:
    """Segments this process's share of all jobs; the first process shows how far its own is."""
    own = [jobs[index] for index in share([job.frames for job in jobs], group.count)[group.rank]]
    interval = 0.2 if sys.stderr.isatty() else 10.0
    bar = tqdm(
        total=sum(job.frames for job in own),
        unit="frame",
        smoothing=0.05,
        mininterval=interval,
        disable=not own or not group.is_first,
    )
    with bar as progress, logging_redirect_tqdm():
        outcome = segment_sequences(segmenter, own, images, results, progress, max_pixels=max_pixels)
    if group.is_first and len(own) < len(jobs):
        _LOGGER.info("the first process is done with %d of %d sequences and waits for the others", len(own), len(jobs))
    return outcome


def _finish(
    sequences: Sequence[InferenceSequence], results: ResultsFolder, outcomes: Sequence[SegmentationOutcome], device: str
) -> None:
    """Says what came of the sequences in all processes; packs the archive if all are well."""
    if any(outcome.timing.frames for outcome in outcomes):
        print(_speed([outcome.timing for outcome in outcomes], device))
    failures = {name: failure for outcome in outcomes for name, failure in outcome.failures.items()}
    for sequence in sequences:
        if sequence.id in failures:
            complain(failures[sequence.id])
    if failures:
        complain(f"{len(failures)} of {len(sequences)} sequences failed; run the command again for these")
        return
    results.write_archive(sequences)
    print(f"masks: {results.masks}" + (f"  archive: {results.archive}" if results.archive else ""))


def _speed(timings: Sequence[Timing], device: str) -> str:
    """How fast one or several processes were together; the slowest counts."""
    frames = sum(timing.frames for timing in timings)
    total, network = max(timing.total for timing in timings), max(timing.network for timing in timings)
    processes = f" with {len(timings)} processes" if len(timings) > 1 else ""
    said = f"{frames} frames in {total:.1f} s on {device}{processes}: {frames / total:.2f} frames/s end to end "
    said += "(reading, network, writing)"
    if network < total:
        said += f", {frames / network:.2f} frames/s for the network alone (a frame in memory to its label map)"
    return said
