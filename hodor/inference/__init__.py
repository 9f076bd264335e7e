"""State over time: the memory of descriptors, the online segmenter, and the benchmark program."""
