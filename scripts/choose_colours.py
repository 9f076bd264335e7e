"""Chooses the colours of objects in hodor/media/drawing.py: python scripts/choose_colours.py

Bright colours, each as far as possible from all before it, for people who see red, green and blue and for those who lack one.
"""

import numpy as np

COUNT = 255
FIRST = (0, 187, 255)  # sky blue stands out from brown and green ground
LIGHTNESS = 55, 93  # of CIELAB; darker ones would be lost beside the outline, lighter ones are all white
VIVID, CHROMA = 62, 45  # of CIELAB, at least; the first `FEW` are vivid
FEW = 20
USUAL = 0.5  # weight of distances as most people see them, which are larger, and would never count otherwise
CANDIDATES = np.stack(np.meshgrid(*[np.arange(0, 256, 17)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
LACKING = {  # Machado, Oliveira and Fernandes 2009, at full severity, for linear R, G, B
    "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def linear(colours: np.ndarray) -> np.ndarray:
    """[N, 3] sRGB, 0..255 -> linear R, G, B, 0..1."""
    values = colours / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """[N, 3] linear R, G, B -> CIELAB."""
    relative = np.clip(rgb, 0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    x, y, z = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def main() -> None:
    """Prints the colours, six hexadecimal digits each."""
    seen = lab(linear(CANDIDATES))
    chroma = np.hypot(seen[:, 1], seen[:, 2])
    usable = (seen[:, 0] >= LIGHTNESS[0]) & (seen[:, 0] <= LIGHTNESS[1]) & (chroma >= CHROMA)
    candidates, is_vivid = CANDIDATES[usable], chroma[usable] >= VIVID
    views = [USUAL * seen[usable], *(lab(linear(candidates) @ np.array(matrix).T) for matrix in LACKING.values())]
    distances = np.full(len(candidates), np.inf)
    last = int(np.flatnonzero((candidates == FIRST).all(axis=1))[0])
    chosen = [last]
    while len(chosen) < COUNT:
        between = np.min([np.linalg.norm(view - view[last], axis=1) for view in views], axis=0)
        distances = np.minimum(distances, between)
        distances[last] = -1
        last = int(np.where(is_vivid | (len(chosen) >= FEW), distances, -1).argmax())
        chosen.append(last)
    digits = ["".join(f"{value:02x}" for value in candidates[index]) for index in chosen]
    for begin in range(0, COUNT, 15):
        print(" ".join(digits[begin : begin + 15]))


if __name__ == "__main__":
    main()
