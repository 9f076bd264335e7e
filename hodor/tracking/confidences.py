"""How sure the network was of every object in every frame: a table, a picture, and a warning where an object is lost."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np

from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.media.drawing import object_palette

LOST = 0.5
"""A mean probability inside the mask below this counts as lost: another object or the background is as likely."""
_COLUMNS = ("frame", "name", "time", "object", "confidence", "area")
_FEW = 3  # objects are named one by one
_MOST_POINTS = 2000  # of a line in the picture


class Row(NamedTuple):
    """One object in one frame."""

    frame: int  # its index in the source
    name: str  # of the frame's mask, without ending
    time: float  # seconds since the source's first frame
    object_id: int  # 1..254
    confidence: float  # mean probability inside the mask, 0 where that is empty, 1 where it was given
    area: int  # of the mask, in pixels


def by_frame(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """{index of a frame: its rows}."""
    frames: dict[int, list[Row]] = {}
    for row in rows:
        frames.setdefault(row.frame, []).append(row)
    return frames


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Writes rows as CSV; complete or absent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        name = f"'{row.name}" if row.name[:1] in "'=+-@\t" else row.name  # a spreadsheet would take it for a formula
        writer.writerow([row.frame, name, f"{row.time:.3f}", row.object_id, f"{row.confidence:.3f}", row.area])
    with written_aside(path) as aside:
        aside.write_text(text.getvalue(), encoding="utf-8", errors="surrogateescape")  # names of files may be no text


def read_table(path: Path) -> list[Row]:
    """Reads what `write_table` wrote; nothing where there is no file.

    Raises:
        HodorError: the file holds something else.
    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            content = csv.reader(file)
            if tuple(next(content)) != _COLUMNS:
                raise ValueError
            return [
                Row(int(frame), name.removeprefix("'"), float(time), int(object_id), float(confidence), int(area))
                for frame, name, time, object_id, confidence, area in content
            ]
    except (ValueError, StopIteration, csv.Error):
        raise HodorError(f"{path}: is not the table that an earlier run wrote there; choose another --out") from None


class Watch:
    """Says where objects are lost."""

    def __init__(self, names: Mapping[int, str]) -> None:
        """`names` are those of objects, for messages."""
        self._names = names
        self._sure: dict[int, bool] = {}

    def lost(self, rows: Iterable[Row]) -> list[str]:
        """A line for each object that was sure, or just given, before and is lost in these rows of a frame, or one for many."""
        messages: dict[int, str] = {}
        frame = ""
        for row in rows:
            sure = row.confidence >= LOST
            if self._sure.get(row.object_id) and not sure:
                name = self._names.get(row.object_id, "")
                named = f"object {row.object_id}" + (f" ({name})" if name else "")
                what = f"confidence {row.confidence:.2f}" if row.area else "nothing of it is seen"
                frame = row.name
                messages[row.object_id] = f"{named} is lost in frame {frame}: {what}"
            self._sure[row.object_id] = sure
        if len(messages) <= _FEW:
            return list(messages.values())
        return [f"{len(messages)} objects are lost in frame {frame}: {', '.join(map(str, messages))}"]


def draw_confidences(path: Path, rows: Sequence[Row], names: Mapping[int, str]) -> None:
    """Draws a line for every object's confidence over time, as SVG; complete or absent."""
    times = [row.time for row in rows] or [0.0]
    first, length = min(times), max(max(times) - min(times), 1e-9)
    lines = []
    for object_id in sorted({row.object_id for row in rows}):
        of_object = [row for row in rows if row.object_id == object_id]
        of_object = of_object[:: max(len(of_object) // _MOST_POINTS, 1)]
        points = " ".join(f"{(row.time - first) / length * 1000:.1f},{(1 - row.confidence) * 200:.1f}" for row in of_object)
        colour = "#{:02x}{:02x}{:02x}".format(*np.asarray(object_palette()[object_id]).tolist())
        lines.append({"name": names.get(object_id, f"object {object_id}"), "points": points, "colour": colour})
    environment = jinja2.Environment(loader=jinja2.PackageLoader("hodor.tracking", "."), autoescape=True)
    ticks = [(1000 * part / 4, f"{first + length * part / 4:.2f} s") for part in range(5)]
    picture = environment.get_template("confidences.svg.jinja").render(lines=lines, ticks=ticks, lost=(1 - LOST) * 200)
    with written_aside(path) as aside:
        aside.write_text(picture, encoding="utf-8")
