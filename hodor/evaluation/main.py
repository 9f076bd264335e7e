"""Scores masks: J and F of every object, as DAVIS or YouTube-VOS count them.

    python hodor/evaluation/main.py RESULTS --ground_truth DIR|JSON [--protocol davis|youtube_vos] [--json FILE]
    torchrun --nproc_per_node=2 hodor/evaluation/main.py RESULTS --ground_truth DIR|JSON    # the same with more processes

Prints a table and writes global.csv, per_object.csv, per_frame.csv, scores.json and report.html. By default these lie in
<RESULTS>_evaluation, beside the results: not inside, where a benchmark's server would take them for a sequence.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from tqdm import tqdm

from hodor.devices import usable_cores
from hodor.distributed import Group, share
from hodor.errors import HodorError
from hodor.evaluation.pairs import SequencePair, pair_predictions, read_truth
from hodor.evaluation.protocols import PROTOCOLS
from hodor.evaluation.report import as_text, write_json, write_report
from hodor.evaluation.sequences import ScoredSequence, score_sequence
from hodor.evaluation.summary import Categories, Summary, read_categories
from hodor.files import errors_naming, folder_lock, read_names
from hodor.parallel import ordered_map
from hodor.program import ArgumentParser, at_least_1, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program with these arguments, None = those of the command line.

    Raises:
        HodorError: masks are missing, broken or don't fit each other; nothing was written.
    """
    options = _parse(arguments)
    with Group() as group, ExitStack() as held:
        _run(options, group, held)
    return 0


def _run(options: argparse.Namespace, group: Group, held: ExitStack) -> None:
    """Scores and reports; `held` keeps the report's folder locked until the end."""
    pairs: list[SequencePair] = []
    categories: Categories = {}
    seen: list[str] = []
    with group.agreed():
        _check_options(options)
        if group.is_first:
            truth = read_truth(options.ground_truth, options.sequences)
            pairs = pair_predictions(options.results, truth)
            if options.seen_categories:
                seen = read_names(options.seen_categories, "--seen_categories", "category")
                categories = read_categories(options.ground_truth, truth, options.categories)
            held.enter_context(folder_lock(options.output_dir))
    pairs = group.from_first(pairs)
    lengths = [len(pair.truth.frames) for pair in pairs]
    own = sorted(share(lengths, group.count)[group.rank], key=lambda index: -lengths[index])  # long ones are started first
    with group.agreed():
        workers = options.num_workers or max(1, usable_cores() // group.count_here)
        scored = _score(options, [pairs[index] for index in own], workers, shown=group.is_first)
        results = dict(zip(own, scored, strict=True))
    gathered = group.gather(results)
    with group.agreed():
        if group.is_first:
            everything = {index: result for part in gathered for index, result in part.items()}
            _report(options, [everything[index] for index in range(len(pairs))], categories, seen)


def _score(
    options: argparse.Namespace, pairs: list[SequencePair], num_workers: int, *, shown: bool
) -> Iterator[ScoredSequence]:
    """Scores sequences in some processes; `shown` = with a progress bar."""
    rules = {"protocol": options.protocol, "include_prompt_frame": options.include_prompt_frame}
    score = partial(score_sequence, **rules, images=options.images)
    frames = sum(len(pair.truth.frames) for pair in pairs)
    with (
        tqdm(total=frames, unit="frame", desc="evaluate", leave=False, disable=None if shown else True) as progress,
        closing(ordered_map(score, pairs, num_workers, ahead=len(pairs))) as finished,
    ):
        for pair, result in zip(pairs, finished, strict=True):
            yield result
            progress.update(len(pair.truth.frames))


def _report(options: argparse.Namespace, results: Sequence[ScoredSequence], categories: Categories, seen: list[str]) -> None:
    """Computes the totals, writes all files and prints the table."""
    objects = [scores for result in results for scores in result.objects]
    for scores in objects if seen else ():
        if (scores.sequence, scores.object_id) not in categories:
            raise HodorError(f"sequence {scores.sequence!r}: object {scores.object_id} has no category; see --categories")
    summary = Summary(objects, categories, seen)
    unscored = [each for each in objects if not each.frames]
    if unscored:
        logging.warning(
            "%d of %d objects have no frame that counts, such as object %d of sequence %s: they are left out of the means",
            *(len(unscored), len(objects), unscored[0].object_id, unscored[0].sequence),
        )
    if seen and not summary.kinds:
        logging.warning("not both seen and unseen categories occur: G is not computed")
    folder = options.output_dir
    subtitle = f"protocol {options.protocol}, ground truth {options.ground_truth}, {len(results)} sequences"
    with errors_naming(folder):
        write_report(folder, summary, results, f"Evaluation of {options.results}", subtitle)
        if options.json:
            write_json(options.json, summary)
    print(as_text(summary))
    print(f"\nWritten: {folder / 'report.html'} and CSV and JSON files beside it")


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
    add("--num_workers", metavar="N", type=at_least_1, help=workers)
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


if __name__ == "__main__":
    run(main)
