"""Training data: samples made of annotated images and videos, their augmentation, and batches of them."""
