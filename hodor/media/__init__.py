"""Pixels in and out: images, label maps, palettes, overlays, and streams that never make the network wait."""
