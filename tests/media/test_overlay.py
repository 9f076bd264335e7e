import numpy as np

from hodor.formats.label_maps import davis_palette
from hodor.media.images import overlay


def test_overlay_tints_objects_outlines_them_and_leaves_the_rest():
    image = np.full((40, 60, 3), 100, dtype=np.uint8)
    labels = np.zeros((40, 60), dtype=np.uint8)
    labels[10:30, 20:50] = 1
    labels[15:25, 30:40] = 2
    result = overlay(image, labels, davis_palette())
    assert (result[labels == 0] == 100).all()
    assert result[12, 24].tolist() == [114, 50, 50]
    assert result[20, 35].tolist() == [50, 114, 50]
    assert (result[10, 20:50] == 255).all() and (result[15, 30:40] == 255).all()
    assert (image == 100).all()
