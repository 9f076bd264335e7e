"""Augmentation of training clips: colours, crops and warps. All chance comes from a generator that is given."""
