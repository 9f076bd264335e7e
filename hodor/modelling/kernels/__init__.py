"""What the network computes most of, in the forms that are fastest, and what it needn't compute twice."""
