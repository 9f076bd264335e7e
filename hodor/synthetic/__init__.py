"""Toy videos with exact masks, made from a seed: for tests, for trying things out, and for training without any data.

    clip = SyntheticClip(seed=0, frames=20, objects=3)
    image, labels = clip.frame(7)          # any frame, in any order
    image, labels = SyntheticClip(seed=1).frame(0)     # a still image with its instances

`hodor synthetic --help` writes such clips in the layout of DAVIS.
"""

from hodor.synthetic.clip import SyntheticClip
from hodor.synthetic.davis_folder import write_davis_folder

__all__ = ["SyntheticClip", "write_davis_folder"]
