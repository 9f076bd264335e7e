"""Any folder of frames with masks for some of them."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

from hodor.convert.clips import (
    check_name,
    existing_folder,
    find_masks,
    given_masks,
    id_list,
    images_by_stem,
    read_clip,
    subfolders,
)
from hodor.convert.output import ConvertedClip, Converter, publish_clips
from hodor.errors import HodorError
from hodor.formats.colour_ids import ColourIds
from hodor.formats.label_maps import VOID, is_white_only

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
    folders = _clip_folders(arguments.frames_folder, arguments.masks_folder, arguments.name)
    colours = ColourIds.parse(arguments.colours) if arguments.colours else None
    clips = _clips(folders, binary=arguments.binary, colours=colours, all_masks=arguments.all_masks)
    publish_clips(clips, len(folders), arguments.name, arguments)


INFERENCE = Converter(_HELP, _EXAMPLES, _add_arguments, _convert)


def _clip_folders(frames: str, masks: str, name: str) -> list[tuple[str, Path, Path]]:
    """(sequence, folder of frames, folder of masks) for every clip."""
    if (_PLACE in frames) != (_PLACE in masks):
        raise HodorError(f"{frames} {masks}: either both FRAMES_DIR and MASKS_DIR hold {_PLACE}, or none of them")
    if _PLACE not in frames:
        folder = existing_folder(Path(frames), "the frames")
        existing_folder(Path(masks), "the masks")
        if images_by_stem(folder):
            return [(name, folder, Path(masks))]
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
    return [(clip, Path(frames.replace(_PLACE, clip)), Path(masks.replace(_PLACE, clip))) for clip in found]


def _clips(
    folders: list[tuple[str, Path, Path]], *, binary: bool, colours: ColourIds | None, all_masks: bool
) -> Iterator[ConvertedClip]:
    for sequence, frames, masks in folders:
        check_name(sequence, str(frames))
        clip = read_clip(sequence, frames)
        files = find_masks(clip, masks)
        given = given_masks(clip, files, binary=binary, colours=colours, repeated=all_masks)
        unused = [path for index, path in files if index not in given]
        if unused and not all_masks:
            _log.warning(
                "%s: %d masks show no new object and are left out, %s first; --all_masks takes them as corrections",
                sequence, len(unused), unused[0].name,
            )  # fmt: skip
        segmentations, understood = _interpret(given, None if colours else files[0][1])
        if not segmentations:
            raise HodorError(f"{masks}: no mask of sequence {sequence!r} shows an object ({understood})")
        yield ConvertedClip(clip, segmentations, "all that is not black is object 1" if binary else understood)


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
