"""DAVIS 2016 and 2017 as training videos: every frame's masks."""

import argparse

from hodor.convert.davis import LAYOUT, add_split_arguments, find_split
from hodor.convert.instances import OBJECT_LABELS
from hodor.convert.kinds import SEQUENCES
from hodor.convert.tracks import VideoJob, add_training_arguments, publish_videos
from hodor.convert.training_output import TrainingSet

HELP = f"""\
for training: DAVIS 2016 or 2017 with the masks of all frames

{LAYOUT}"""

EXAMPLES = """\
examples:
  hodor convert davis_training ~/DAVIS
  hodor convert davis_training ~/DAVIS --year 2016 --resolution 1080p --name davis_2016_large

Data set names: davis_train for the split train of 2017, else davis_<year>_<split>_training."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `convert` reads."""
    add_split_arguments(parser, "train")
    add_training_arguments(parser, "name of the data set (default: see below)")


def convert(arguments: argparse.Namespace) -> None:
    """Converts one split.

    Raises:
        HodorError: a folder, split, sequence or file is missing or bad.
    """
    year, split, all_frames = arguments.year, arguments.split, arguments.all_frames
    frames, masks, sequences = find_split(arguments)
    default_name = "davis_train" if (year, split) == ("2017", "train") else f"davis_{year}_{split}_training"
    target = TrainingSet.chosen(arguments.name or default_name, SEQUENCES, arguments)
    jobs = [VideoJob(sequence, frames / sequence, masks / sequence, year == "2016", None, all_frames) for sequence in sequences]
    publish_videos(jobs, frames, OBJECT_LABELS, target, arguments.num_workers, all_frames=all_frames)
