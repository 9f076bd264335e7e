"""The network: pure modules that take plain arguments and know nothing of files, configuration or time."""
