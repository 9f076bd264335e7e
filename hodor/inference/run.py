"""Segmenting a data set: what is left to do, shared out among processes, and what came of it."""

import argparse
import contextlib
import hashlib
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hodor.checkpoints.checkpoint import Checkpoint, fingerprint, load
from hodor.distributed import Group, share
from hodor.files import errors_naming, folder_lock
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.from_options import memory_and_sizes, segmenter_from_options
from hodor.inference.results import ResultsFolder
from hodor.inference.segmenter import Segmenter
from hodor.inference.sequences import SegmentationJob, SegmentationOutcome, Timing, segment_sequences
from hodor.program import complain

if TYPE_CHECKING:
    from hodor.inference.program import Plan

_LOGGER = logging.getLogger(__name__)


def segment_dataset(plan: "Plan", options: argparse.Namespace, group: Group) -> int:
    """Segments what is left to do. Returns the exit code: 1 if a sequence failed.

    Args:
        plan: what there is.
        options: of `hodor infer`.
        group: the processes that share the work.
    """
    results = plan.results
    with contextlib.ExitStack() as held:  # keeps the output folder locked until the end
        with group.agreed(), group.heard_once():
            checkpoint = load(plan.checkpoint)
            segmenter = segmenter_from_options(checkpoint, options)
            if group.is_first:
                held.enter_context(folder_lock(results.folder))
        jobs: list[SegmentationJob] = []
        with group.agreed(), errors_naming(results.folder):
            if group.is_first:
                settings = _run_settings(plan.checkpoint, checkpoint, options)
                jobs = _unfinished(plan.sequences, plan.images, results, settings)
        jobs = group.from_first(jobs)  # not before does anyone write, which could change what is unfinished
        with errors_naming(results.folder):
            outcome = _segment_own(segmenter, jobs, plan.images, results, group, max_pixels=options.max_pixels)
        outcomes = group.gather(outcome)
        failed = group.from_first(any(each.failures for each in outcomes))
        with group.agreed(), errors_naming(results.folder):
            if group.is_first:
                _finish(plan.sequences, results, outcomes, segmenter.device.type)
    return 1 if failed else 0


def _run_settings(path: Path, checkpoint: Checkpoint, options: argparse.Namespace) -> dict[str, Any]:
    """What the masks of a run depend on, apart from the sequence."""
    return {
        "checkpoint": fingerprint(path),
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
