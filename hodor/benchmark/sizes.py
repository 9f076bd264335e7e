"""How much is measured: for numbers that mean something, and to see in seconds whether everything works."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How much is measured. Sizes are (height, width) in pixels."""

    frame: tuple[int, int] = (480, 854)  # of the video that most sections use
    min_dim: int = 512  # its shorter side as the network sees it
    window: int = 7  # earlier frames in memory
    objects: int = 2
    object_counts: tuple[int, ...] = (1, 2, 5, 10, 20, 44)
    small: tuple[int, int] = (96, 160)  # frame of the long video
    long: int = 600  # its number of frames
    followed: int = 6  # frames of the section `modes`
    rounds: int = 5  # of every measurement
    matrix: int = 3072  # side of the large matrices
    convolution: tuple[int, int, int] = (256, 128, 232)  # channels, height and width of the large one


FULL = Sizes()
QUICK = Sizes((48, 80), 64, 3, 2, (1, 3), (32, 48), long=16, followed=3, rounds=2, matrix=64, convolution=(16, 16, 16))
