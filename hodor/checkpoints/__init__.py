"""Weights as files: our checkpoints, the original's, pretrained backbones, and the weights that come with the package."""
