"""The network: pure modules that know nothing of files or time."""
