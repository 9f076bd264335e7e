"""What a command line says of the objects, as label maps: drawn masks, boxes and clicks, each in some frame."""

import logging
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from hodor.errors import HodorError
from hodor.formats.drawn_masks import ColourIds, read_drawn_mask
from hodor.formats.label_maps import present_ids, write_label_map
from hodor.formats.object_files import DescribedObject, read_object
from hodor.formats.prompts import Prompt, parse_prompt
from hodor.media.cutting import mask_of_box, mask_of_click
from hodor.media.drawing import object_palette
from hodor.media.sources import FrameSource, SourceFrame

_LOGGER = logging.getLogger(__name__)
_MAX_ID = 254


@dataclass
class Given:
    """What is given in one frame.

    Attributes:
        masks: files of drawn masks.
        prompts: boxes and clicks.
    """

    masks: list[Path]
    prompts: list[Prompt]


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
    by_frame = _by_frame(options, source)
    if not by_frame and not options.objects:
        raise HodorError("nothing says what to follow; add --masks, --box, --click or --objects")
    colours = ColourIds.parse(options.colours) if options.colours else ColourIds()
    taken: set[int] = set()
    labels: dict[int, np.ndarray] = {}
    there: dict[int, set[int]] = {index: set() for index in by_frame}
    for index, given in sorted(by_frame.items()):
        frame = source.frame(index)
        for path in given.masks:
            drawn = read_drawn_mask(path, colours=colours, threshold=options.threshold, size=frame.full_size)
            _LOGGER.info("%s: %s", path, drawn.found)
            labels[index] = _overlaid(labels.get(index), _at_size(drawn.labels, frame))
            there[index].update(present_ids(drawn.labels))
    taken.update(*there.values())
    taken |= {prompt.object_id for given in by_frame.values() for prompt in given.prompts if prompt.object_id is not None}
    for index, given in sorted(by_frame.items()):
        for object_id, mask in _cut(given.prompts, source.frame(index), taken) if given.prompts else ():
            _LOGGER.info("frame %s: object %d: cut out, %d pixels", source.name_of(index), object_id, mask.sum())
            labels[index] = _overlaid(labels.get(index), np.where(mask, np.uint8(object_id), np.uint8(0)))
            there[index].add(object_id)
    for index, each in labels.items():
        if lost := sorted(there[index] - set(present_ids(each))):
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
        free = next(each for each in range(1, _MAX_ID + 2) if each not in taken and each not in objects)
        object_id = int(number) if named else free
        if not 1 <= object_id <= _MAX_ID or object_id in objects:
            raise HodorError(
                f"--objects {text}: the id {object_id} must be 1..{_MAX_ID}, and that of no other described object"
            )
        objects[object_id] = read_object(Path(file if named else text))
    return objects


def _by_frame(options: Namespace, source: FrameSource) -> dict[int, Given]:
    frames: dict[int, Given] = {}

    def at(index: int, what: str) -> Given:
        if not source.selection.holds(index):
            raise HodorError(f"{what}: frame {index} is not among the frames that --start, --end and --stride select")
        return frames.setdefault(index, Given([], []))

    for index, path in _masks(options.masks, source):
        at(index, str(path)).masks.append(path)
    prompts = [(f"--box {text}", parse_prompt("box", text)) for text in options.box]
    prompts += [(f"--click {text}", parse_prompt("click", text)) for text in options.click]
    for what, prompt in prompts:
        at(source.selection.start if prompt.frame is None else prompt.frame, what).prompts.append(prompt)
    return frames


def _masks(texts: Iterable[str], source: FrameSource) -> Iterator[tuple[int, Path]]:
    """(index of a frame, file) of every mask: FILE, FRAME=FILE, or a folder of files called like frames."""
    for text in texts:
        frame, sign, file = text.partition("=")
        if sign and not Path(text).exists():
            yield _named_or_counted(frame, source, f"--masks {text}"), Path(file)
        elif Path(text).is_dir():
            files = sorted(path for path in Path(text).iterdir() if path.is_file() and not path.name.startswith("."))
            if not files:
                raise HodorError(f"--masks: {text}: the folder is empty")
            for path in files:
                yield _index(path.stem, source, str(path)), path
        else:
            yield source.selection.start, Path(text)


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


def _cut(prompts: list[Prompt], frame: SourceFrame, taken: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(object id, mask [H, W] bool) of every box and of the clicks on one object in a frame."""
    height, width = frame.image.shape[:2]
    scale = width / frame.full_size[1], height / frame.full_size[0]
    clicks: dict[int, list[tuple[float, float]]] = {}
    for prompt in prompts:
        object_id = prompt.object_id or next(each for each in range(1, _MAX_ID + 2) if each not in taken)
        if object_id > _MAX_ID:
            raise HodorError(f"--{prompt.kind}: there are more than {_MAX_ID} objects")
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


def _overlaid(below: np.ndarray | None, above: np.ndarray) -> np.ndarray:
    return above if below is None else np.where(above > 0, above, below)
