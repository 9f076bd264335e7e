"""Evaluates masks: J and F of every object, as DAVIS or YouTube-VOS count them.

    python hodor/evaluation/main.py RESULTS --ground_truth DIR|JSON [--protocol davis|youtube_vos] [--json FILE]
    torchrun --nproc_per_node=2 hodor/evaluation/main.py RESULTS --ground_truth DIR|JSON    # the same with more processes

Prints a table and writes global.csv, per_object.csv, per_frame.csv, scores.json and report.html. By default these lie in
<RESULTS>_evaluation, beside the results: not inside, where a benchmark's server would take them for a sequence.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from hodor.devices import usable_cores
from hodor.distributed import Group, share
from hodor.errors import HodorError
from hodor.evaluation import report
from hodor.evaluation.categories import read_categories, read_names
from hodor.evaluation.html_report import as_html
from hodor.evaluation.masks import SequenceMasks, folder_sequence, folder_sequences
from hodor.evaluation.protocols import PROTOCOLS, ObjectScores
from hodor.evaluation.run_length_file import read_run_length_file
from hodor.evaluation.sequences import SequenceJob, SequenceResult, evaluate_sequence
from hodor.evaluation.summary import Summary, summarise
from hodor.parallel import ordered_map
from hodor.program import ArgumentParser, run

_LISTED_SEQUENCES = 5


@dataclass(frozen=True)
class _Plan:
    """What is to be judged.

    Attributes:
        jobs: the sequences in the order of the report.
        categories: {(sequence, object id): category}; empty where nobody asks for them.
        seen: categories seen in training; likewise.
    """

    jobs: tuple[SequenceJob, ...] = ()
    categories: Mapping[tuple[str, int], str] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program with these arguments, None = those of the command line.

    Raises:
        HodorError: masks are missing, broken or don't fit each other; nothing was written.
    """
    options = _parser().parse_args(arguments)
    group = Group()
    try:
        _run(options, group)
    finally:
        group.leave()
    return 0


def _run(options: argparse.Namespace, group: Group) -> None:
    plan = _Plan()
    with group.agreed():
        _check_options(options)
        if group.is_first:
            plan = _plan(options)
    jobs = group.from_first(plan.jobs)
    own = share([len(job.truth.frames) for job in jobs], group.count)[group.rank]
    results: dict[int, SequenceResult] = {}
    with group.agreed():
        workers = options.num_workers or max(1, usable_cores() // group.count_here)
        results = _evaluate({index: jobs[index] for index in own}, workers, shown=group.is_first)
    gathered = group.gather(results)
    with group.agreed():
        if group.is_first:
            everything = {index: result for part in gathered for index, result in part.items()}
            _report(options, plan, [everything[index] for index in range(len(jobs))])


def _plan(options: argparse.Namespace) -> _Plan:
    truth = _read_truth(options.ground_truth, options.sequences)
    predictions = _pair_predictions(options.results, truth)
    jobs = (
        SequenceJob(prediction, truth[name], options.protocol, options.include_prompt_frame, options.images)
        for name, prediction in predictions.items()
    )
    return _Plan(tuple(jobs), *_read_categories(options, truth))


def _report(options: argparse.Namespace, plan: _Plan, results: Sequence[SequenceResult]) -> None:
    """Computes the totals, writes all files and prints the table."""
    objects = [scores for result in results for scores in result.objects]
    if options.seen_categories:
        _check_categories(objects, plan.categories)
    summary = summarise(objects, plan.categories, plan.seen)
    _warn_of_gaps(summary, bool(plan.seen))
    folder = options.output_dir or _default_output_dir(options.results)
    try:
        _write(folder, options, summary, results)
    except OSError as error:
        error.filename = error.filename or str(folder)  # where the disk is full
        raise
    print(report.as_text(summary))
    print(f"\nWritten: {folder / 'report.html'} and CSV and JSON files beside it")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python hodor/evaluation/main.py",
        description="Evaluates masks: J and F of every object, as DAVIS or YouTube-VOS count them. "
        "Started by torchrun, several processes, on machines that share the folders, share out the sequences.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("results", metavar="RESULTS", type=Path, help="folder <sequence>/<frame>.png, or run-length JSON of annotated videos")
    add("--ground_truth", metavar="DIR|JSON", type=Path, required=True, help="the true masks, as one or the other")
    add("--protocol", choices=PROTOCOLS, default="davis", help="which frames and objects count (default: %(default)s)")
    add(
        "--sequences",
        metavar="FILE",
        type=Path,
        help="only these, one a line, such as DAVIS' ImageSets/2017/val.txt (default: all that have ground truth)",
    )
    add("--output_dir", metavar="DIR", type=Path, help="where the report goes (default: RESULTS with _evaluation appended)")
    add("--json", metavar="FILE", type=Path, help="another place for the scores as JSON")
    add("--images", metavar="DIR", type=Path, help="folder <sequence>/<frame>.jpg to draw the masks on in the HTML report")
    add(
        "--num_workers",
        metavar="N",
        type=_positive,
        help="number of processes; with torchrun, of workers of each (default: as many as there are cores)",
    )
    group = parser.add_argument_group("youtube_vos only")
    group.add_argument(
        "--include_prompt_frame", action="store_true", help="count the frame of an object's first appearance, too"
    )
    group.add_argument(
        "--categories", metavar="META_JSON", type=Path, help="meta.json (default: the one beside the truth folder)"
    )
    group.add_argument(
        "--seen_categories",
        metavar="FILE",
        type=Path,
        help="categories of the training data, one a line: scores seen and unseen, G",
    )
    return parser


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _check_options(options: argparse.Namespace) -> None:
    """Finds what would fail only after the work is done."""
    if options.protocol == "davis":
        for name in ("include_prompt_frame", "categories", "seen_categories"):
            if getattr(options, name):
                raise HodorError(f"--{name} belongs to --protocol youtube_vos")
    if options.categories and not options.seen_categories:
        raise HodorError("--categories needs --seen_categories, the list of those that occur in training")
    if options.images and not options.images.is_dir():
        raise HodorError(f"{options.images}: no such folder; --images must hold <sequence>/<frame>.jpg")
    if options.output_dir and options.output_dir.exists() and not options.output_dir.is_dir():
        raise HodorError(f"{options.output_dir}: --output_dir must be a folder")
    if options.json and options.json.is_dir():
        raise HodorError(f"{options.json}: --json must be a file, not a folder")


def _default_output_dir(results: Path) -> Path:
    results = results.resolve()
    return results.with_name(f"{results.stem if results.is_file() else results.name}_evaluation")


def _read_truth(path: Path, chosen: Path | None) -> Mapping[str, SequenceMasks]:
    """The ground truth by sequence; `chosen` is a list of those that count, None = all."""
    if path.is_file():
        truth: Mapping[str, SequenceMasks] = read_run_length_file(path)
    else:
        truth = folder_sequences(path)
    if not truth:
        raise HodorError(f"{path}: the ground truth is empty; it must hold <sequence>/<frame>.png or be a JSON with sequences")
    if chosen is None:
        return truth
    names = read_names(chosen, "--sequences", "sequence")
    unknown = next((name for name in names if name not in truth), None)
    if unknown is not None:
        raise HodorError(f"{chosen}: sequence {unknown!r} is not in the ground truth {path}")
    return {name: truth[name] for name in names}


def _pair_predictions(results: Path, truth: Mapping[str, SequenceMasks]) -> dict[str, SequenceMasks]:
    """The predictions of all true sequences, in their order."""
    if results.is_file():
        found: Mapping[str, SequenceMasks] = read_run_length_file(results)
        predictions = {name: found.get(name) for name in truth}
    else:
        found = folder_sequences(results)
        predictions = {name: folder_sequence(results, name) for name in truth}
    surplus = [name for name in found if name not in truth]
    if surplus:
        names = ", ".join(surplus[:_LISTED_SEQUENCES]) + (", ..." if len(surplus) > _LISTED_SEQUENCES else "")
        logging.warning("%s: %d sequences have no ground truth and are left out: %s", results, len(surplus), names)
    missing = [name for name, prediction in predictions.items() if prediction is None]
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise HodorError(
            f"{results}: no masks for sequence {missing[0]!r}{others}; the ground truth has {len(truth)} sequences; "
            "if not all of them are wanted, list those that are with --sequences"
        )
    return {name: prediction for name, prediction in predictions.items() if prediction is not None}


def _read_categories(
    options: argparse.Namespace, truth: Mapping[str, SequenceMasks]
) -> tuple[dict[tuple[str, int], str], frozenset[str]]:
    """({(sequence, object id): category}, categories seen in training), both empty where nobody asks for them."""
    if not options.seen_categories:
        return {}, frozenset()
    seen = frozenset(read_names(options.seen_categories, "--seen_categories", "category"))
    return read_categories(options.ground_truth, truth, options.categories), seen


def _check_categories(objects: Sequence[ObjectScores], categories: Mapping[tuple[str, int], str]) -> None:
    for scores in objects:
        if (scores.sequence, scores.object_id) not in categories:
            raise HodorError(f"sequence {scores.sequence!r}: object {scores.object_id} has no category; see --categories")


def _evaluate(jobs: Mapping[int, SequenceJob], num_workers: int, *, shown: bool) -> dict[int, SequenceResult]:
    """The results of all jobs by their number; long sequences are started first. `shown` = with a progress bar."""
    order = sorted(jobs, key=lambda index: -len(jobs[index].truth.frames))
    results: dict[int, SequenceResult] = {}
    frames = sum(len(job.truth.frames) for job in jobs.values())
    with (
        tqdm(total=frames, unit="frame", desc="evaluate", leave=False, disable=None if shown else True) as progress,
        closing(ordered_map(evaluate_sequence, [jobs[index] for index in order], num_workers, ahead=len(order))) as finished,
    ):
        for index, result in zip(order, finished, strict=True):
            results[index] = result
            progress.update(len(jobs[index].truth.frames))
    return results


def _warn_of_gaps(summary: Summary, categories_asked: bool) -> None:
    unscored = [each.scores for each in summary.objects if not each.scores.frames]
    if unscored:
        logging.warning(
            "%d of %d objects have no frame that counts, such as object %d of sequence %s: they are left out of the means",
            *(len(unscored), len(summary.objects), unscored[0].object_id, unscored[0].sequence),
        )
    if categories_asked and summary.generalised is None:
        logging.warning("not both seen and unseen categories occur: G is not computed")


def _write(folder: Path, options: argparse.Namespace, summary: Summary, results: Sequence[SequenceResult]) -> None:
    subtitle = f"protocol {options.protocol}, ground truth {options.ground_truth}, {len(results)} sequences"
    report.write_global_csv(folder / "global.csv", summary)
    report.write_per_object_csv(folder / "per_object.csv", summary)
    report.write_per_frame_csv(folder / "per_frame.csv", summary)
    report.write_json(folder / "scores.json", summary)
    report.write_text(folder / "report.html", as_html(summary, results, f"Evaluation of {options.results}", subtitle))
    if options.json:
        report.write_json(options.json, summary)


if __name__ == "__main__":
    run(main)
