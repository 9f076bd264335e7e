"""Converters from the folders that people download to the JSON files of a workspace: `python -m hodor.data.convert --help`.

Every kind of data set is one module here with `HELP`, `EXAMPLES`, `add_arguments(parser)` and `convert(arguments)`;
`__main__.py` makes each a subcommand.
"""
