"""YouTube-VOS as training videos: the masks of every fifth frame, with the objects' categories."""

import argparse
from pathlib import Path

from hodor.convert.clips import existing_folder
from hodor.convert.instances import OBJECT_CATEGORY
from hodor.convert.kinds import SEQUENCES
from hodor.convert.tracks import VideoJob, add_training_arguments, publish_videos
from hodor.convert.training_output import TrainingSet
from hodor.convert.youtube_vos import read_meta

HELP = """\
for training: YouTube-VOS' split train with the masks of all annotated frames

DIR holds meta.json, JPEGImages/<sequence>/*.jpg and Annotations/<sequence>/*.png. Sequences, objects and their
categories are those of meta.json. Frames without a mask are left out unless you say --all_frames; there are none in
the split train. In train_all_frames, a download of frames only, four of five have none: see the second example."""

EXAMPLES = """\
examples:
  hodor convert youtube_vos_training ~/youtube_vos_2019/train
  hodor convert youtube_vos_training ~/youtube_vos_2019/train \\
      --frames_folder ~/youtube_vos_2019/train_all_frames/JPEGImages --all_frames --name youtube_vos_2019_all_frames"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `convert` reads."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder with meta.json, JPEGImages and Annotations")
    parser.add_argument("--frames_folder", type=Path, metavar="DIR", help="where the frames are (default: JPEGImages in DIR)")
    add_training_arguments(parser, "name of the data set (default: youtube_vos_2019_train)")


def convert(arguments: argparse.Namespace) -> None:
    """Converts the sequences of meta.json.

    Raises:
        HodorError: meta.json, a folder or a file is missing or bad.
    """
    root, all_frames = existing_folder(arguments.folder, "YouTube-VOS"), arguments.all_frames
    target = TrainingSet.chosen(arguments.name or "youtube_vos_2019_train", SEQUENCES, arguments)
    videos = read_meta(root / "meta.json")
    names = sorted({listed.category for objects in videos.values() for listed in objects.values()})
    numbers = {name: number for number, name in enumerate(names, start=OBJECT_CATEGORY)}
    frames, masks = arguments.frames_folder or root / "JPEGImages", root / "Annotations"
    existing_folder(frames, "the frames")
    jobs = [
        VideoJob(
            id=sequence,
            frames=frames / sequence,
            masks=masks / sequence,
            binary=False,
            categories={object_id: numbers[listed.category] for object_id, listed in objects.items()},
            all_frames=all_frames,
        )
        for sequence, objects in videos.items()
    ]
    labels = {str(number): name for name, number in numbers.items()}
    publish_videos(jobs, frames, labels, target, arguments.num_workers, all_frames=all_frames)
