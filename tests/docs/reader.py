"""The pages as a reader takes them: what they link to, the commands they name, the blocks that can be run."""

import re
import shlex
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.media.images import write_image
from hodor.media.videos import write_video
from hodor.synthetic import SyntheticClip

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = {"", "bash", "sh"}
FRAMES, HEIGHT, WIDTH = 8, 72, 128


class Block(NamedTuple):
    """A block of code: its language, its text, and, where it is to be run, what is replaced in it."""

    language: str
    text: str
    replaced: dict[str, str] | None


def blocks(page):
    """All blocks between fences; those below a comment `run` are to be run."""
    fence = re.compile(r"(?:<!-- run(?P<changes>[^\n]*?) -->\n\n)?```(?P<language>\w*)\n(?P<text>.*?)```", re.DOTALL)
    for found in fence.finditer(page.read_text()):
        changes = found["changes"]
        pairs = None if changes is None else dict(re.findall(r"(\d+) = (\d+)", changes))
        yield Block(found["language"], found["text"], pairs)


def links(page):
    """Targets of links and pictures."""
    text = re.sub(r"```.*?```|`[^`\n]*`(?!\])", "", page.read_text(), flags=re.DOTALL)
    return re.findall(r"\]\(([^()\s]+)\)", text)


def anchors(page):
    """What links may lead to within a page, as GitHub names it."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def command_lines(page):
    """Words of every command in blocks and indented lines, and of those of `python` within the text that have any."""
    fenced = [block.text for block in blocks(page) if block.language in SHELL]
    plain = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    indented = re.findall(r"(?:^ {4}.*\n)+", plain, re.MULTILINE)
    for text in chain(fenced, indented, (span for span in spans(page) if re.match(r"python \S+ \S", span))):
        for line in text.replace("\\\n", " ").splitlines():
            if re.match(r"\s*(hodor|python|torchrun|srun)\b", line):
                yield from _commands(line)


def spans(page):
    """What stands in code within the text."""
    plain = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", plain)


def _commands(line):
    words = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    words.whitespace_split = True
    command = list[str]()
    for word in [*words, ";"]:
        if set(word) <= set(";&|"):
            if command:
                yield command
            command = []
        else:
            command.append(word)


def make_small_files(folder):
    """The files that pages speak of, as small as can be: a video, masks of some of its frames, photographs with masks."""
    clip = list(SyntheticClip(7, frames=FRAMES, height=HEIGHT, width=WIDTH, objects=3))
    write_video(folder / "holiday.mp4", [image for image, _ in clip])
    write_video(folder / "other.mp4", [image for image, _ in clip[:3]])
    _write_mask(folder / "first.png", clip[0][1], (1, 2))
    _write_mask(folder / "newcomer.png", clip[4][1], (3,))
    for name in ("better.png", "after.png"):
        _write_mask(folder / name, clip[4][1], (1, 2))
    _write_mask(folder / "late.png", clip[2][1], (1, 2))
    for index, (image, labels) in enumerate(clip[:4]):
        write_image(folder / "my_frames" / f"{index:05d}.jpg", image)
        if index == 0:
            _write_mask(folder / "my_masks" / f"{index:05d}.png", labels, (1, 2, 3))
    for seed in range(8):
        image, labels = SyntheticClip(100 + seed, frames=1, height=128, width=192, objects=2).frame(0)
        write_image(folder / "my_photos" / f"{seed}.jpg", image)
        _write_mask(folder / "my_photo_masks" / f"{seed}.png", labels, (1, 2))
    for name, mask, index in (("mug", "mug_mask", 0), ("other_side", "its_mask", 2)):
        write_image(folder / f"{name}.jpg", clip[index][0])
        Image.fromarray(np.where(clip[index][1] == 1, 255, 0).astype(np.uint8)).save(folder / f"{mask}.png")
    (folder / "configs").symlink_to(ROOT / "configs")
    return folder


def _write_mask(path, labels, kept):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(path, np.where(np.isin(labels, kept), labels, 0).astype(np.uint8), davis_palette())
