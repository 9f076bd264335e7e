"""HODOR: high-level object descriptors for object re-segmentation in video, learned from static images (CVPR 2022)."""
