"""Weights that come with the package, each a .safetensors file in this folder."""
