"""The colours in which objects are shown."""

import functools

import numpy as np

_COLOURS = """
00bbff ff3300 ffee00 ff6699 aaff88 7777ff ffbb44 11ffcc cc66cc 00aa55 ee5544 ff8800 ee00ff 00dd66 ff33aa
ff77ff ddee66 bbdd00 ff77cc 77cc22 77dd99 ffaaee bbaa44 bbee99 ee22dd bb7722 aa66dd ee88bb ffaa66 ff4477
00bb99 ee8877 cc66aa 44ffff ff3355 119922 cc88dd ffcc77 33ddcc aadd55 ff7788 ff6666 ee33bb 00bb00 44aaff
bbff55 4488ee dd8855 88ffbb 77ee77 559944 99cc77 bbbb44 aabb55 ee4499 44eeaa ff0088 ff66dd dd33ee ff22cc
77eebb 55cc99 ff55bb bb88ee cc66ee 88ee22 bb66bb dd6677 88dd88 dddd66 ff88ee bb9933 dd66dd 99ee88 99ffaa
ffdd44 99dd44 00ff99 dd77cc ff88aa ff9933 ff99ee bb8833 bb55ee 55cc66 7788ff ff77aa ddaa55 cc77bb ff6600
ff4488 dd88ee cc6699 bbee55 bbcc55 99aaff 99ff77 77bb44 99aa00 44bb33 44cc55 77aa44 00eedd 339966 ccdd77
cccc22 ff3333 ffaa11 779933 aacc66 77cc88 aaff22 dd77ee 11eeff 66ee99 aa77cc ff66aa 66ee66 ee7777 eeee88
11aa88 ff00aa ff5566 dd9933 ccee44 ee5522 55bb77 ff3366 77ffdd 66aa66 99aa55 ff6688 dd6655 ff88dd dd99ee
ff33ff ee44ee 33ddaa dd8811 ff88cc 99bb33 44ff55 ffcc33 33bb66 77ff44 ff99dd cc6655 aa88dd dd88cc ee00ee
449955 eeaaff ee33ff 888833 cc7744 ff8899 bbdd88 ff9977 ee77bb bb66aa 88ff66 ccbb11 88dd66 99eeaa 4488dd
66ff88 ee8844 ff5599 ff88bb ddee00 0088ff ff55aa dd77bb ee6655 ff33bb 55dd55 ee6600 ee88dd ff4499 dd7744
ff2299 ddcc55 99ee44 ddbb33 dd6622 44ee88 44ee55 00ffee 00ccbb dd33ff ff99cc 00cc88 ee6666 ccee88 ccbb55
ee44cc ff55ee bb66dd 66cc77 bbdd66 00ffbb ee5588 ee6633 cc9944 7788ee 33dd88 66aa22 88cc55 ee66aa aa66ff
8877dd ff3322 ff6655 ff7799 ee9966 ff8877 dd9955 dd7722 ff33dd aacc44 ff88ff ccdd55 ee8866 aaee77 ff5588
559900 77bb66 999933 dddd22 eeee55 ee00dd 88ffcc ee5577 ee33dd dd88ff ee8811 99dd77 ff8855 9988ff eeaa55
bbaa00 eedd77 77bb00 33eeee 44aa77 55bb88 aa8833 ff8888 cc99ee ee11cc 00ffdd ff9966 9977cc ff22aa ff4422
"""  # of objects 1 to 255, by scripts/choose_colours.py


@functools.cache
def object_palette() -> np.ndarray:
    """Bright colours, each far from those before it, also for people who lack one kind of cones; black for no object.

    Returns:
        [256, 3] uint8, R, G, B; row i is the colour of object i. It can't be written to.
    """
    colours = np.frombuffer(bytes.fromhex("000000" + _COLOURS), np.uint8).reshape(256, 3)
    colours.flags.writeable = False
    return colours
