"""Datasets: the JSON formats, run-length masks, converters and synthetic clips."""
