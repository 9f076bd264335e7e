"""How fast this machine segments: measurements, and the report."""
