"""How fast this machine segments: measurements, a twin of the network without our fast paths, and the report."""
