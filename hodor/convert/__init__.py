"""Converters from the folders that people download to the JSON files of a workspace: `hodor convert --help`.

Every kind of data set is one module here with `HELP`, `EXAMPLES`, `add_arguments(parser)` and `convert(arguments)`;
`__main__.py` makes each a subcommand. Videos for inference (`davis`, `youtube_vos`, `folder`) are written by `output.py`;
training data (`coco`, `images`, `davis_training`, `youtube_vos_training`) by `training_output.py`, entry by entry.
"""
