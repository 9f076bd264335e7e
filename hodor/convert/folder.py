"""Any folder of frames with masks for some of them."""

import argparse
import logging
from functools import partial
from pathlib import Path

from hodor.convert.clips import Clip, encoded, existing_folder, id_list
from hodor.convert.output import INFERENCE, Converter, publish_clips
from hodor.errors import HodorError
from hodor.formats.colour_ids import ColourIds
from hodor.formats.drawn_masks import read_drawn_mask
from hodor.formats.inference_json import InferenceSequence
from hodor.formats.label_maps import VOID, is_white_only, present_ids
from hodor.media.folder_source import images_by_stem, subfolders

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
    clips = _clips(arguments.frames_folder, arguments.masks_folder, arguments.name, arguments.binary)
    colours = ColourIds.parse(arguments.colours) if arguments.colours else None
    publish_clips(arguments, arguments.name, clips, partial(_read, colours=colours, all_masks=arguments.all_masks))


TO_SEGMENT = Converter(INFERENCE, _HELP, _EXAMPLES, _add_arguments, _convert)


def _clips(frames: str, masks: str, name: str, binary: bool) -> list[Clip]:
    if (_PLACE in frames) != (_PLACE in masks):
        raise HodorError(f"{frames} {masks}: either both FRAMES_DIR and MASKS_DIR hold {_PLACE}, or none of them")
    if _PLACE not in frames:
        folder = existing_folder(Path(frames), "the frames")
        existing_folder(Path(masks), "the masks")
        if images_by_stem(folder):
            return [Clip(name, folder, Path(masks), binary=binary)]
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
    return [Clip(clip, Path(frames.replace(_PLACE, clip)), Path(masks.replace(_PLACE, clip)), binary=binary) for clip in found]


def _read(clip: Clip, *, colours: ColourIds | None, all_masks: bool) -> tuple[InferenceSequence, str]:
    found: dict[int, dict[int, str]] = {}
    seen: set[int] = set()
    for index, path in clip.masks.items():
        if colours:
            labels = read_drawn_mask(path, size=clip.size, colours=colours, may_be_empty=True).labels
        else:
            labels = clip.labels(index)
        found[index] = encoded(labels, (each for each in present_ids(labels) if all_masks or each not in seen))
        seen.update(found[index])
    unused = [path.name for index, path in clip.masks.items() if not found[index]]
    if unused and not all_masks:
        left_out = "%s: %d masks show no new object and are left out, %s first; --all_masks takes them as corrections"
        _log.warning(left_out, clip.name, len(unused), unused[0])
    mask = next(iter(clip.masks.values()))
    names, understood = _interpret(sorted(seen), None if colours else mask)
    given = {}
    for index, masks in found.items():
        if names.keys() & masks.keys():
            given[index] = {names[value]: text for value, text in masks.items() if value in names}
    if not given:
        raise HodorError(f"{mask.parent}: no mask of sequence {clip.name!r} shows an object ({understood})")
    return InferenceSequence(clip.name, clip.paths, given), understood


def _interpret(values: list[int], mask: Path | None) -> tuple[dict[int, int], str]:
    """The objects' ids by the values in the masks of a clip, such as `mask`, and what the values were taken for."""
    if mask and values != [1] and is_white_only(values, mask):
        white = "0 and 255 only, 255" if values == [VOID] else "black and white only, white"
        return {values[0]: 1}, f"masks of {white} taken as object 1"
    ids = {value: value for value in values if value != VOID}
    understood = id_list(list(ids)) if ids else "all masks are empty"
    if VOID in values:
        understood += ", 255 taken as background"
    return ids, understood
