"""Draws the picture of the idea in the README: docs/pictures/idea.svg, from a synthetic clip of the project's own."""

import base64
from pathlib import Path

import cv2
import numpy as np

from hodor.formats.label_maps import davis_palette
from hodor.media.drawing import draw
from hodor.synthetic import SyntheticClip

TARGET = Path(__file__).parent.parent / "docs" / "pictures" / "idea.svg"
WIDTH, HEIGHT = 1000, 400
PICTURE = (196, 112)
COLOURS = ["#800000", "#008000", "#808000"]
GREY = "#8a8f98"


def image(x: int, y: int, pixels: np.ndarray, caption: str) -> str:
    """A picture [H, W, 3] at (x, y) with a caption below."""
    width, height = PICTURE
    encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    data = base64.b64encode(encoded).decode()
    return (
        f'<image x="{x}" y="{y}" width="{width}" height="{height}" href="data:image/jpeg;base64,{data}"/>'
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="#555"/>'
        f'<text x="{x + width / 2}" y="{y + height + 18}">{caption}</text>'
    )


def box(x: int, y: int, width: int, title: str, detail: str) -> str:
    """A part of the network."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="64" rx="8" fill="#eaf1fb" stroke="#3b6fb5" stroke-width="1.5"/>'
        f'<text x="{x + width / 2}" y="{y + 28}" font-weight="bold">{title}</text>'
        f'<text x="{x + width / 2}" y="{y + 48}" font-size="12">{detail}</text>'
    )


def arrow(*points: tuple[int, int]) -> str:
    """A line through points, with a head at the last."""
    path = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="#333" stroke-width="1.6" marker-end="url(#head)"/>'


def descriptors(x: int, y: int) -> str:
    """Three descriptors of objects, and nine of the background, as columns of cells of different strength."""
    random = np.random.default_rng(1)
    parts = []
    for column, colour in enumerate([*COLOURS, *[GREY] * 9]):
        left = x + column * 15 + (12 if column >= len(COLOURS) else 0)
        for row in range(8):
            strength = random.uniform(0.15, 1)
            parts.append(
                f'<rect x="{left}" y="{y + row * 11}" width="12" height="10" fill="{colour}" fill-opacity="{strength:.2f}"/>'
            )
    parts.append(f'<text x="{x + 22}" y="{y - 8}" font-size="12">objects</text>')
    parts.append(f'<text x="{x + 124}" y="{y - 8}" font-size="12">background</text>')
    parts.append(f'<text x="{x + 95}" y="{y + 106}">descriptors: 256 numbers each</text>')
    return "".join(parts)


def main() -> None:
    """Writes the picture."""
    clip = SyntheticClip(seed=5, frames=12, height=224, width=392, objects=3)
    (first, first_labels), (later, later_labels) = clip.frame(0), clip.frame(6)
    palette = davis_palette()
    parts = [
        image(20, 40, draw(first, first_labels, palette=palette), "a frame with given masks"),
        image(20, 230, later, "any other frame"),
        box(262, 64, 150, "Encoder", "soft-masked attention"),
        box(510, 254, 150, "Decoder", "attention to descriptors"),
        descriptors(490, 56),
        image(780, 230, draw(later, later_labels, palette=palette), "masks of the same objects"),
        arrow((216, 96), (258, 96)),
        arrow((412, 96), (478, 96)),
        arrow((585, 172), (585, 250)),
        arrow((216, 286), (506, 286)),
        arrow((660, 286), (776, 286)),
        arrow((878, 226), (878, 20), (337, 20), (337, 60)),
        '<text x="607" y="14" font-size="12">predicted masks are described again and remembered for a few frames</text>',
        '<text x="360" y="278" font-size="12">features at strides 4 and 8</text>',
    ]
    style = "font-family:sans-serif;font-size:14px;text-anchor:middle;fill:#111"
    marker = (
        '<marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L10,5 L0,10 z" fill="#333"/></marker>'
    )
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f"<defs><style>text{{{style}}}</style>{marker}</defs>"
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
