"""What a run was told, kept in its folder, so that `hodor app` can open the folder and go on with it."""

import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hodor.errors import HodorError
from hodor.formats.object_files import DescribedObject
from hodor.media.camera_source import CAMERA
from hodor.media.images import MAX_PIXELS
from hodor.media.sources import FrameSource, Selection, open_source
from hodor.program import ArgumentParser, one_line
from hodor.tracking.options import names_of_objects, parser

_ELSEWHERE = {"source", "names", "masks", "box", "click", "colours", "threshold", "out", "format", "overwrite"}
"""Options that don't shape the run, or that stand elsewhere: what is given lies in `given/` as label maps."""


def inputs_of(options: Namespace, objects: Mapping[int, DescribedObject]) -> dict[str, Any]:
    """What a run is told, as JSON holds it, with absolute paths.

    That is "source"; "names", {id: name}; and "options", {name: value} of all others that are not as they are by default.
    `objects`, {id: object}, are those of `--objects`, in their order.
    """
    defaults = vars(parser().parse_args([""]))
    changed = {name: value for name, value in vars(options).items() if value != defaults.get(name) and name not in _ELSEWHERE}
    if (checkpoint := changed.get("checkpoint")) and Path(checkpoint).is_file():
        changed["checkpoint"] = _absolute(checkpoint)
    if "objects" in changed:
        files = [re.sub(r"^\d+=", "", text) for text in options.objects]
        changed["objects"] = [f"{object_id}={_absolute(file)}" for object_id, file in zip(objects, files, strict=True)]
    source = options.source if options.source.startswith(CAMERA) else _absolute(options.source)
    names = {object_id: described.name for object_id, described in objects.items()} | names_of_objects(options.names)
    return {"source": source, "names": {str(each): name for each, name in names.items()}, "options": changed}


class _RaisingParser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise HodorError(one_line(message))


def parsed(arguments: Sequence[str]) -> Namespace:
    """The options of `hodor track` that stand in arguments which no person has typed.

    Raises:
        HodorError: there are no such options.
    """
    return parser(_RaisingParser).parse_args(arguments)


def as_arguments(options: Mapping[str, Any]) -> list[str]:
    """The arguments of a command line that say the same as `options`, {name: value}."""
    arguments: list[str] = []
    for action in parser()._actions:
        value = options.get(action.dest, action.default)
        if value == action.default or not action.option_strings:
            continue
        name = next(each for each in action.option_strings if each.startswith("--"))
        if isinstance(value, bool):
            arguments.append(name if value else name.replace("--", "--no-", 1))
        else:
            arguments += [name, *map(str, value if isinstance(value, list) else [value])]
    return arguments


def source_of(source: str, options: Mapping[str, Any]) -> FrameSource:
    """The frames that a run with these `options` takes of a source.

    Raises:
        HodorError: see `open_source` and `Selection`.
    """
    return open_source(
        source, selection_of(options), max_pixels=options.get("max_pixels", MAX_PIXELS), rate=options.get("rate")
    )


def selection_of(options: Mapping[str, Any]) -> Selection:
    """Which frames a run with these `options` takes.

    Raises:
        HodorError: a number is out of range.
    """
    return Selection(options.get("start", 0), options.get("end"), options.get("stride", 1), options.get("max_size"))


def _absolute(path: str) -> str:
    return str(Path(path).absolute())
