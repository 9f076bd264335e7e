"""State over time: the memory of descriptors, the online segmenter, and the program that segments data sets."""
