"""Videos with exact masks, from a seed or from a few photographs: for tests, for trying things out, for training without data.

    clip = SyntheticClip(seed=0, frames=20, objects=3)
    image, labels = clip.frame(7)          # any frame, in any order
    image, labels = PhotographClip().frame(0)          # cut-out photographs that move before another photograph

`hodor synthetic --help` writes such clips in the layout of DAVIS.
"""

from hodor.synthetic.clip import SyntheticClip, write_davis_folder
from hodor.synthetic.photograph_clip import PhotographClip

__all__ = ["PhotographClip", "SyntheticClip", "write_davis_folder"]
