"""Segmenting a data set: what is left to do, shared out among processes, and what came of it."""

import argparse
import contextlib
import errno
import hashlib
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hodor.checkpoints.checkpoint import load
from hodor.devices import is_out_of_memory
from hodor.distributed import Group, share
from hodor.errors import HodorError
from hodor.files import errors_naming, folder_lock
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.from_options import run_settings, segmenter_from_options
from hodor.inference.results import ResultsFolder
from hodor.inference.segmenter import Segmenter
from hodor.inference.sequences import Timing, segment_sequence
from hodor.program import complain, describe_os_error

_LOGGER = logging.getLogger(__name__)
_Job = tuple[InferenceSequence, dict[str, Any]]
"""A sequence, and what its masks depend on, as JSON knows it."""
_Outcome = tuple[list[Timing], dict[str, str]]
"""What one process took for each sequence that it finished; {name of a sequence: why it failed, in one line}."""


def segment_dataset(
    options: argparse.Namespace,
    group: Group,
    *,
    weights: Path,
    sequences: Sequence[InferenceSequence],
    images: Path,
    results: ResultsFolder,
) -> int:
    """Segments what is left to do of some sequences. Returns the exit code: 1 if one failed."""
    with contextlib.ExitStack() as held:  # keeps the output folder locked until the end
        with group.agreed(), group.heard_once():
            checkpoint = load(weights)
            segmenter = segmenter_from_options(checkpoint, options)
            if group.is_first:
                held.enter_context(folder_lock(results.folder))
        jobs: list[_Job] = []
        with group.agreed(), errors_naming(results.folder):
            if group.is_first:
                settings = {
                    **run_settings(weights, checkpoint, options),
                    "config": repr((checkpoint.config.input, checkpoint.config.model)),
                    "look_ahead": options.look_ahead,
                    "overlays": options.save_vis,
                }
                jobs = _unfinished(sequences, images, results, settings)
        jobs = group.from_first(jobs)  # not before does anyone write, which could change what is unfinished
        with errors_naming(results.folder):
            outcome = _segment_own(segmenter, jobs, images, results, group, max_pixels=options.max_pixels)
        outcomes = group.gather(outcome)
        failed = group.from_first(any(failures for _, failures in outcomes))
        with group.agreed(), errors_naming(results.folder):
            if group.is_first:
                _finish(sequences, results, outcomes, segmenter.device.type)
    return 1 if failed else 0


def _unfinished(
    sequences: Sequence[InferenceSequence], images: Path, results: ResultsFolder, settings: Mapping[str, Any]
) -> list[_Job]:
    """What is left to do, by the run's settings, and by given masks and frames as they are now; nobody may write meanwhile."""
    todo = []
    for sequence in sequences:
        digest = hashlib.sha256(repr(sequence).encode())
        for path in (images / image_path for image_path in sequence.image_paths):
            if path.is_file():
                digest.update(f"{path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
        of_sequence = {**settings, "sequence": digest.hexdigest()}
        if not results.is_finished(sequence, of_sequence):
            todo.append((sequence, of_sequence))
    if len(todo) < len(sequences):
        _LOGGER.info("%d of %d sequences are finished already", len(sequences) - len(todo), len(sequences))
    if results.archive is not None:  # an earlier run's, which would not fit what is about to be written
        results.archive.unlink(missing_ok=True)
    return todo


def _segment_own(
    segmenter: Segmenter, jobs: Sequence[_Job], images: Path, results: ResultsFolder, group: Group, *, max_pixels: int
) -> _Outcome:
    """Segments this process's share of all jobs; the first process shows how far its own is.

    A sequence that fails doesn't stop the others, but a full disk (OSError) does.
    """
    lengths = [len(sequence.image_paths) for sequence, _ in jobs]
    own = share(lengths, group.count)[group.rank]
    timings: list[Timing] = []
    failures: dict[str, str] = {}
    before = 0
    bar = tqdm(
        total=sum(lengths[index] for index in own),
        unit="frame",
        smoothing=0.05,
        mininterval=0.2 if sys.stderr.isatty() else 10.0,
        disable=not own or not group.is_first,
    )
    with bar as progress, logging_redirect_tqdm():
        for sequence, settings in (jobs[index] for index in own):
            progress.set_description(sequence.id)
            try:
                with results.writing(sequence, settings) as write:
                    timings.append(segment_sequence(segmenter, sequence, images, write, progress.update, max_pixels=max_pixels))
            except Exception as error:
                failures[sequence.id] = _reason(sequence, error)
            before += len(sequence.image_paths)
            progress.update(before - progress.n)
    if group.is_first and len(own) < len(jobs):
        _LOGGER.info("the first process is done with %d of %d sequences and waits for the others", len(own), len(jobs))
    return timings, failures


def _reason(sequence: InferenceSequence, error: Exception) -> str:
    """Why a sequence failed, in one line; raises the error again where the others would fail, too."""
    if isinstance(error, HodorError):
        return str(error)
    if isinstance(error, OSError) and error.errno != errno.ENOSPC:
        return f"sequence {sequence.id!r}: {describe_os_error(error)}"
    if is_out_of_memory(error):
        return f"sequence {sequence.id!r}: not enough memory; use a smaller --min_image_dim or --look_ahead, or fewer objects"
    raise error


def _finish(sequences: Sequence[InferenceSequence], results: ResultsFolder, outcomes: Sequence[_Outcome], device: str) -> None:
    """Says what came of the sequences in all processes; packs the archive if all are well."""
    if any(timings for timings, _ in outcomes):
        print(_speed([timings for timings, _ in outcomes], device))
    failed = {name: reason for _, failures in outcomes for name, reason in failures.items()}
    for sequence in sequences:
        if sequence.id in failed:
            complain(failed[sequence.id])
    if failed:
        complain(f"{len(failed)} of {len(sequences)} sequences failed; run the command again for these")
        return
    results.write_archive(sequences)
    print(f"masks: {results.masks}" + (f"  archive: {results.archive}" if results.archive else ""))


def _speed(timings: Sequence[Sequence[Timing]], device: str) -> str:
    """How fast one or several processes were together; the slowest counts."""
    frames = sum(timing.frames for own in timings for timing in own)
    total = max(sum(timing.total for timing in own) for own in timings)
    network = max(sum(timing.network for timing in own) for own in timings)
    processes = f" with {len(timings)} processes" if len(timings) > 1 else ""
    said = f"{frames} frames in {total:.1f} s on {device}{processes}: {frames / total:.2f} frames/s end to end "
    alone = f", {frames / network:.2f} frames/s for the network alone (a frame in memory to its label map)"
    return said + "(reading, network, writing)" + (alone if network < total else "")
