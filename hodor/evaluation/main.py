"""Scores masks: J and F of every object, as DAVIS or YouTube-VOS count them.

    python hodor/evaluation/main.py RESULTS --ground_truth DIR|JSON [--protocol davis|youtube_vos] [--json FILE]
    torchrun --nproc_per_node=2 hodor/evaluation/main.py RESULTS --ground_truth DIR|JSON    # the same with more processes

Prints a table and writes global.csv, per_object.csv, per_frame.csv, scores.json and report.html. By default these lie in
<RESULTS>_evaluation, beside the results: not inside, where a benchmark's server would take them for a sequence.
"""

import argparse
import difflib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from tqdm import tqdm

from hodor.devices import usable_cores
from hodor.distributed import Group, share
from hodor.errors import HodorError
from hodor.evaluation.masks import SequenceMasks, folder_sequence, folder_sequences, read_run_length_file
from hodor.evaluation.protocols import PROTOCOLS
from hodor.evaluation.report import as_text, write_json, write_report
from hodor.evaluation.sequences import ScoredSequence, score_sequence
from hodor.evaluation.summary import Summary, read_categories, summarise
from hodor.files import errors_naming, folder_lock, read_names
from hodor.parallel import ordered_map
from hodor.program import ArgumentParser, run

_LISTED_SEQUENCES = 5
_Masks = tuple[SequenceMasks, SequenceMasks]  # of one sequence: predicted and true


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program with these arguments, None = those of the command line.

    Raises:
        HodorError: masks are missing, broken or don't fit each other; nothing was written.
    """
    options = _parse(arguments)
    group = Group()
    try:
        with ExitStack() as held:
            _run(options, group, held)
    finally:
        group.leave()
    return 0


def _run(options: argparse.Namespace, group: Group, held: ExitStack) -> None:
    """Scores and reports; `held` keeps the report's folder locked until the end."""
    pairs: list[_Masks] = []
    categories: dict[tuple[str, int], str] = {}
    seen: frozenset[str] = frozenset()
    with group.agreed():
        _check_options(options)
        if group.is_first:
            truth = _read_truth(options.ground_truth, options.sequences)
            pairs = _pair_predictions(options.results, truth)
            if options.seen_categories:
                seen = frozenset(read_names(options.seen_categories, "--seen_categories", "category"))
                categories = read_categories(options.ground_truth, truth, options.categories)
            held.enter_context(folder_lock(options.output_dir))
    pairs = group.from_first(pairs)
    own = share([len(truth.frames) for _, truth in pairs], group.count)[group.rank]
    results: dict[int, ScoredSequence] = {}
    with group.agreed():
        rules = {"protocol": options.protocol, "include_prompt_frame": options.include_prompt_frame}
        score = partial(score_sequence, **rules, images=options.images)
        workers = options.num_workers or max(1, usable_cores() // group.count_here)
        results = _score(score, {index: pairs[index] for index in own}, workers, shown=group.is_first)
    gathered = group.gather(results)
    with group.agreed():
        if group.is_first:
            everything = {index: result for part in gathered for index, result in part.items()}
            _report(options, [everything[index] for index in range(len(pairs))], categories, seen)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(
        prog="python hodor/evaluation/main.py",
        description="Scores masks: J and F of every object, as DAVIS or YouTube-VOS count them. "
        "Started by torchrun, several processes, on machines that share the folders, share out the sequences.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("results", metavar="RESULTS", nargs="?", help="folder <sequence>/<frame>.png, or run-length JSON of annotated videos")
    add("--ground_truth", metavar="DIR|JSON", type=Path, required=True, help="the true masks, as one or the other")
    add("--protocol", choices=PROTOCOLS, default="davis", help="which frames and objects count (default: %(default)s)")
    add(
        *("--sequences", "--seqs"),
        nargs="+",
        action="extend",
        metavar="ID|FILE",
        help="only these: names, or a file with one a line, such as DAVIS' ImageSets/2017/val.txt "
        "(default: all that have ground truth)",
    )
    add("--output_dir", metavar="DIR", type=Path, help="where the report goes (default: RESULTS with _evaluation appended)")
    add("--json", metavar="FILE", type=Path, help="another place for the scores as JSON")
    add("--images", metavar="DIR", type=Path, help="folder <sequence>/<frame>.jpg to draw the masks on in the HTML report")
    workers = "number of processes; with torchrun, of workers of each (default: as many as there are cores)"
    add("--num_workers", metavar="N", type=_positive, help=workers)
    add = parser.add_argument_group("youtube_vos only").add_argument
    add("--include_prompt_frame", action="store_true", help="count the frame of an object's first appearance, too")
    add("--categories", metavar="META_JSON", type=Path, help="meta.json (default: the one beside the truth folder)")
    seen = "categories of the training data, one a line: scores seen and unseen, G"
    add("--seen_categories", metavar="FILE", type=Path, help=seen)
    options = parser.parse_args(arguments)
    if options.results is None and len(options.sequences or ()) > 1:
        options.results = options.sequences.pop()  # `--sequences FILE RESULTS`
    if options.results is None:
        parser.error("the following arguments are required: RESULTS")
    options.results = Path(options.results)
    if options.output_dir is None:
        given = options.results.resolve()
        options.output_dir = given.with_name(f"{given.stem if given.is_file() else given.name}_evaluation")
    return options


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


def _read_truth(path: Path, chosen: list[str] | None) -> dict[str, SequenceMasks]:
    """The ground truth by sequence; `chosen` are the names of those that count or one file that lists them, None = all."""
    truth: dict[str, SequenceMasks] = {**(read_run_length_file(path) if path.is_file() else folder_sequences(path))}
    if not truth:
        raise HodorError(f"{path}: the ground truth is empty; it must hold <sequence>/<frame>.png or be a JSON with sequences")
    if chosen is None:
        return truth
    source, names = "--sequences", list(dict.fromkeys(chosen))
    if len(chosen) == 1 and (Path(chosen[0]).is_file() or (chosen[0] not in truth and Path(chosen[0]).suffix)):
        source, names = chosen[0], read_names(Path(chosen[0]), "--sequences", "sequence")
    for name in names:
        if name not in truth:
            close = difflib.get_close_matches(name, list(truth), n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise HodorError(f"{source}: sequence {name!r} is not in the ground truth {path}{hint}")
    return {name: truth[name] for name in names}


def _pair_predictions(results: Path, truth: Mapping[str, SequenceMasks]) -> list[_Masks]:
    """All true sequences with their predictions, in the order of the truth."""
    is_file = results.is_file()
    found: Mapping[str, SequenceMasks] = read_run_length_file(results) if is_file else folder_sequences(results)
    predictions = {name: found.get(name) if is_file else folder_sequence(results, name) for name in truth}
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
    return [(prediction, truth[name]) for name, prediction in predictions.items() if prediction is not None]


def _score(
    score: Callable[[_Masks], ScoredSequence], pairs: Mapping[int, _Masks], num_workers: int, *, shown: bool
) -> dict[int, ScoredSequence]:
    """The results of all sequences by their number; long ones are started first. `shown` = with a progress bar."""
    lengths = {index: len(truth.frames) for index, (_, truth) in pairs.items()}
    order = sorted(lengths, key=lambda index: -lengths[index])
    frames = sum(lengths.values())
    results: dict[int, ScoredSequence] = {}
    with (
        tqdm(total=frames, unit="frame", desc="evaluate", leave=False, disable=None if shown else True) as progress,
        closing(ordered_map(score, [pairs[index] for index in order], num_workers, ahead=len(order))) as finished,
    ):
        for index, result in zip(order, finished, strict=True):
            results[index] = result
            progress.update(lengths[index])
    return results


def _report(
    options: argparse.Namespace,
    results: Sequence[ScoredSequence],
    categories: Mapping[tuple[str, int], str],
    seen: frozenset[str],
) -> None:
    """Computes the totals, writes all files and prints the table."""
    objects = [scores for result in results for scores in result.objects]
    for scores in objects if seen else ():
        if (scores.sequence, scores.object_id) not in categories:
            raise HodorError(f"sequence {scores.sequence!r}: object {scores.object_id} has no category; see --categories")
    summary = summarise(objects, categories, seen)
    _warn_of_gaps(summary, bool(seen))
    folder = options.output_dir
    subtitle = f"protocol {options.protocol}, ground truth {options.ground_truth}, {len(results)} sequences"
    with errors_naming(folder):
        write_report(folder, summary, results, f"Evaluation of {options.results}", subtitle)
        if options.json:
            write_json(options.json, summary)
    print(as_text(summary))
    print(f"\nWritten: {folder / 'report.html'} and CSV and JSON files beside it")


def _warn_of_gaps(summary: Summary, categories_asked: bool) -> None:
    unscored = [each.scores for each in summary.objects if not each.scores.frames]
    if unscored:
        logging.warning(
            "%d of %d objects have no frame that counts, such as object %d of sequence %s: they are left out of the means",
            *(len(unscored), len(summary.objects), unscored[0].object_id, unscored[0].sequence),
        )
    if categories_asked and summary.generalised is None:
        logging.warning("not both seen and unseen categories occur: G is not computed")


if __name__ == "__main__":
    run(main)
