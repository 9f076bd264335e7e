"""What a command line says of the objects, as label maps: drawn masks, boxes and clicks, each in some frame."""

import logging
from argparse import Namespace
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from hodor.errors import HodorError
from hodor.formats.colour_ids import MAX_OBJECT_ID
from hodor.formats.drawn_masks import ColourIds, read_drawn_mask
from hodor.formats.label_maps import present_ids, write_label_map
from hodor.formats.object_files import DescribedObject, read_object
from hodor.formats.prompts import Prompt, parse_prompt
from hodor.media.cutting import mask_of_box, mask_of_click
from hodor.media.drawing import object_palette
from hodor.media.sources import FrameSource, SourceFrame

_LOGGER = logging.getLogger(__name__)
Item = TypeVar("Item")


def take_given(options: Namespace, source: FrameSource, folder: Path) -> set[int]:
    """Writes the label map of every frame in which something is given as <index>.png.

    Args:
        options: masks, box, click, colours and threshold of `hodor track`.
        source: has the frames.
        folder: empty.

    Returns:
        The ids of the objects.

    Raises:
        HodorError: nothing is given, not even an object known from elsewhere; or a frame doesn't exist, or a mask or box
            doesn't fit its frame. The message names it.
    """
    masks = _by_frame(_masks(options.masks, source), source)
    prompts = _by_frame(_prompts(options, source), source)
    if not (masks or prompts or options.objects):
        raise HodorError("nothing says what to follow; add --masks, --box, --click or --objects")
    colours = ColourIds.parse(options.colours) if options.colours else ColourIds()
    taken = {prompt.object_id for each in prompts.values() for prompt in each if prompt.object_id is not None}
    labels: dict[int, np.ndarray] = {}
    given: dict[int, set[int]] = defaultdict(set)

    def overlay(index: int, above: np.ndarray, ids: Iterable[int]) -> None:
        labels[index] = np.where(above > 0, above, labels[index]) if index in labels else above
        given[index].update(ids)
        taken.update(ids)

    for index, paths in masks.items():
        frame = source.frame(index)
        for path in paths:
            drawn = read_drawn_mask(path, colours=colours, threshold=options.threshold, size=frame.full_size)
            _LOGGER.info("%s: %s", path, drawn.found)
            overlay(index, _at_size(drawn.labels, frame), present_ids(drawn.labels))
    for index, of_frame in prompts.items():
        for object_id, mask in cut(of_frame, source.frame(index), taken):
            _LOGGER.info("frame %s: object %d: cut out, %d pixels", source.name_of(index), object_id, mask.sum())
            overlay(index, mask * np.uint8(object_id), [object_id])
    for index, each in labels.items():
        if lost := sorted(given[index] - set(present_ids(each))):
            raise HodorError(
                f"frame {source.name_of(index)}: nothing is left of object {lost[0]}, too small at this size, or covered; "
                "take a larger --max-size, or say first what lies below"
            )
        write_label_map(folder / f"{index}.png", each, object_palette())
    return taken


def take_objects(texts: Sequence[str], taken: Collection[int]) -> dict[int, DescribedObject]:
    """The objects in the files of `--objects`, by id: the one that is said, or the next that is not `taken`.

    Raises:
        HodorError: a file is broken, or an id is out of range or taken.
    """
    objects: dict[int, DescribedObject] = {}
    for text in texts:
        number, sign, file = text.partition("=")
        named = bool(sign) and number.isdecimal()
        free = next(each for each in range(1, MAX_OBJECT_ID + 2) if each not in taken and each not in objects)
        object_id = int(number) if named else free
        if not 1 <= object_id <= MAX_OBJECT_ID or object_id in objects:
            raise HodorError(
                f"--objects {text}: the id {object_id} must be 1..{MAX_OBJECT_ID}, and that of no other described object"
            )
        objects[object_id] = read_object(Path(file if named else text))
    return objects


def _by_frame(given: Iterable[tuple[int, Item, str]], source: FrameSource) -> dict[int, list[Item]]:
    """What is given in each frame, by its index, ascending, from (index, what is given there, how it was said)."""
    frames: dict[int, list[Item]] = defaultdict(list)
    for index, item, said in given:
        if not source.selection.holds(index):
            raise HodorError(f"{said}: frame {index} is not among the frames that --start, --end and --stride select")
        frames[index].append(item)
    return dict(sorted(frames.items()))


def _prompts(options: Namespace, source: FrameSource) -> Iterator[tuple[int, Prompt, str]]:
    boxes = [(f"--box {text}", parse_prompt("box", text)) for text in options.box]
    clicks = [(f"--click {text}", parse_prompt("click", text)) for text in options.click]
    for said, prompt in boxes + clicks:
        yield source.selection.start if prompt.frame is None else prompt.frame, prompt, said


def _masks(texts: Iterable[str], source: FrameSource) -> Iterator[tuple[int, Path, str]]:
    """Every mask, which is said as FILE, FRAME=FILE, or a folder of files called like frames."""
    for text in texts:
        frame, sign, file = text.partition("=")
        if sign and not Path(text).exists():
            yield _named_or_counted(frame, source, f"--masks {text}"), Path(file), file
        elif Path(text).is_dir():
            files = sorted(path for path in Path(text).iterdir() if path.is_file() and not path.name.startswith("."))
            if not files:
                raise HodorError(f"--masks: {text}: the folder is empty")
            for path in files:
                yield _index(path.stem, source, str(path)), path, str(path)
        else:
            yield source.selection.start, Path(text), text


def _named_or_counted(text: str, source: FrameSource, what: str) -> int:
    """The index of a frame that is called so, or that has this index where no frame has the number in its name."""
    if source.index_of(text) is not None or not text.isdecimal():
        return _index(text, source, what)
    number = int(text)
    names = {index: source.name_of(index) for index in source.selection.indices(source.expected_frames() or 0)}
    called = [index for index, name in names.items() if name.isdecimal() and int(name) == number]
    if called and called != [number]:
        name = names[called[0]]
        raise HodorError(f"{what}: frame {name}, or the one that is number {number} from 0? Say {name}=FILE for the former")
    return number if number in names else _index(text, source, what)


def _index(name: str, source: FrameSource, what: str) -> int:
    index = source.index_of(name)
    if index is None:
        first = source.name_of(source.selection.start)
        raise HodorError(f"{what}: {source.name} has no frame {name!r}; its first one is {first}")
    return index


def cut(prompts: list[Prompt], frame: SourceFrame, taken: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(object id, mask [H, W] bool) of every box and of all clicks on one object in a frame; new ids are added to `taken`."""
    height, width = frame.image.shape[:2]
    scale = width / frame.full_size[1], height / frame.full_size[0]
    clicks: dict[int, list[tuple[float, float]]] = {}
    for prompt in prompts:
        object_id = prompt.object_id or next(each for each in range(1, MAX_OBJECT_ID + 2) if each not in taken)
        if object_id > MAX_OBJECT_ID:
            raise HodorError(f"--{prompt.kind}: there are more than {MAX_OBJECT_ID} objects")
        taken.add(object_id)
        numbers = [value * scale[index % 2] for index, value in enumerate(prompt.numbers)]
        if prompt.kind == "box":
            yield object_id, mask_of_box(frame.image, (numbers[0], numbers[1], numbers[2], numbers[3]))
        else:
            clicks.setdefault(object_id, []).append((numbers[0], numbers[1]))
    for object_id, points in clicks.items():
        yield object_id, mask_of_click(frame.image, points)


def _at_size(labels: np.ndarray, frame: SourceFrame) -> np.ndarray:
    height, width = frame.image.shape[:2]
    if labels.shape == (height, width):
        return labels
    return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
