"""Pixels in and out: images, videos, overlays, and streams that never make the network wait."""
