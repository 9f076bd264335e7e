"""Data sets on disk: the JSON of videos and of training data, run-length masks, label maps and their palettes."""
