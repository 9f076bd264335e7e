"""Any folder of frames with masks for some of them."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

from hodor.convert.clips import Clip, Video, check_name, encoded, existing_folder, id_list, images_by_stem, subfolders
from hodor.convert.output import INFERENCE, Converter, publish_clips
from hodor.errors import HodorError
from hodor.formats.colour_ids import ColourIds
from hodor.formats.inference_json import InferenceSequence
from hodor.formats.label_maps import VOID, is_white_only, present_ids

_HELP = """\
your own frames, with masks for some of them

FRAMES_DIR and MASKS_DIR are one of
  a folder of images and one of masks        one clip, called like the data set
  two folders of folders                     a clip for each folder in FRAMES_DIR; its masks: the same name in MASKS_DIR
  two paths that hold the word {clip}        a clip for each folder that fits in the place of {clip}
A mask is called like its frame (00007.png for 00007.jpg) and has its size. Frames without a mask are segmented;
an object's first mask is its start, later ones are not given unless you say --all_masks.

What a mask file may be:
  a palette or grey PNG, pixel values are object ids (0 = background, 255 = unsure, taken as background)
  black and 255 (white) only, for one object
  RGB in the colours of DAVIS' or YouTube-VOS' palette, or in any colours that --colours names
No blurred or antialiased edges, so no JPEG."""

_EXAMPLES = """\
examples:
  hodor convert folder holiday/frames holiday/masks --name holiday
  hodor convert folder all_frames all_masks --name my_clips
  hodor convert folder clips/{clip}/frames clips/{clip}/masks --name my_clips
  hodor convert folder all_frames all_masks --name my_clips --binary --all_masks
  hodor convert folder frames masks --name painted --colours red=1 '#00ff00=2' white=0"""

_log = logging.getLogger(__name__)
_PLACE = "{clip}"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("frames_folder", metavar="FRAMES_DIR", help="the frames, see above")
    parser.add_argument("masks_folder", metavar="MASKS_DIR", help="the masks, see above")
    values = parser.add_mutually_exclusive_group()
    values.add_argument("--binary", action="store_true", help="everything that is not black is object 1")
    values.add_argument(
        "--colours",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLOUR=ID",
        help="which object a colour means, all there are: red=1 white=0",
    )
    parser.add_argument("--all_masks", action="store_true", help="every mask is a new reference, not only each object's first")


def _convert(arguments: argparse.Namespace) -> None:
    videos = _videos(arguments.frames_folder, arguments.masks_folder, arguments.name)
    publish_clips(arguments, arguments.name, videos, _sequences(videos, arguments))


TO_SEGMENT = Converter(INFERENCE, _HELP, _EXAMPLES, _add_arguments, _convert)


def _videos(frames: str, masks: str, name: str) -> list[Video]:
    if (_PLACE in frames) != (_PLACE in masks):
        raise HodorError(f"{frames} {masks}: either both FRAMES_DIR and MASKS_DIR hold {_PLACE}, or none of them")
    if _PLACE not in frames:
        folder = existing_folder(Path(frames), "the frames")
        existing_folder(Path(masks), "the masks")
        if images_by_stem(folder):
            return [Video(name, folder, Path(masks))]
        if not subfolders(folder):
            raise HodorError(f"{folder}: no frames and no clips in it")
        frames, masks = f"{frames}/{_PLACE}", f"{masks}/{_PLACE}"
    before, after = frames.split(_PLACE, 1)
    if Path(before + "x").name != "x" or (after and not after.startswith("/")):
        raise HodorError(f"{frames}: {_PLACE} must stand for the whole name of a folder, as in clips/{_PLACE}/frames")
    clips = subfolders(existing_folder(Path(before or "."), "the folder with the clips"))
    found = [clip for clip in clips if Path(frames.replace(_PLACE, clip)).is_dir()]
    if not found:
        raise HodorError(f"{frames}: no frames and no clips there")
    if len(found) < len(clips):
        strange = next(clip for clip in clips if clip not in found)
        _log.warning("%s: no such folder, so %d of %d clips are taken", frames.replace(_PLACE, strange), len(found), len(clips))
    return [Video(clip, Path(frames.replace(_PLACE, clip)), Path(masks.replace(_PLACE, clip))) for clip in found]


def _sequences(videos: list[Video], arguments: argparse.Namespace) -> Iterator[tuple[InferenceSequence, str]]:
    colours = ColourIds.parse(arguments.colours) if arguments.colours else None
    for video in videos:
        check_name(video.name, str(video.frames))
        clip = Clip.find(video)
        given: dict[int, dict[int, str]] = {}
        seen: set[int] = set()
        for index in clip.masks:
            labels = clip.labels(index, binary=arguments.binary, colours=colours)
            ids = [object_id for object_id in present_ids(labels) if arguments.all_masks or object_id not in seen]
            seen.update(ids)
            if ids:
                given[index] = encoded(labels, ids)
        unused = [path.name for index, path in clip.masks.items() if index not in given]
        if unused and not arguments.all_masks:
            _log.warning(
                "%s: %d masks show no new object and are left out, %s first; --all_masks takes them as corrections",
                clip.name, len(unused), unused[0],
            )  # fmt: skip
        segmentations, understood = _interpret(given, None if colours else next(iter(clip.masks.values())))
        if not segmentations:
            raise HodorError(f"{video.masks}: no mask of sequence {clip.name!r} shows an object ({understood})")
        understood = "all that is not black is object 1" if arguments.binary else understood
        yield InferenceSequence(clip.name, clip.image_paths, segmentations), understood


def _interpret(given: dict[int, dict[int, str]], a_mask: Path | None) -> tuple[dict[int, dict[int, str]], str]:
    """The masks of a clip by object, and what their values were taken for: ids, or one object in white, as in `a_mask`."""
    values = sorted({value for masks in given.values() for value in masks})
    renamed = {value: value for value in values if value != VOID}
    understood = id_list(list(renamed)) if renamed else "all masks are empty"
    if VOID in values:
        understood += ", 255 taken as background"
    if a_mask is not None and values != [1] and is_white_only(values, a_mask):
        renamed = {values[0]: 1}
        white = "0 and 255 only, 255" if values == [VOID] else "black and white only, white"
        understood = f"masks of {white} taken as object 1"
    by_object = {
        index: {renamed[value]: text for value, text in masks.items() if value in renamed} for index, masks in given.items()
    }
    return {index: masks for index, masks in by_object.items() if masks}, understood
