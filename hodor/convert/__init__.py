"""Converters from the folders that people download to the JSON files of a workspace: `hodor convert --help`.

Every data set is one module here, which offers a `Converter` for inference, for training, or for both; `__main__.py` makes
each a subcommand. They share how frames and masks are found and read (`clips.py`), where all goes (`output.py`), and what
training data looks like (`training.py`).
"""
