"""Writes every key with its default and meaning: python -m hodor.config > configs/default.yaml"""

import textwrap

import yaml

from hodor.config.declaration import NAMED_NUMBERS, Section, allowed
from hodor.config.schema import Config

_HEAD = """\
# Every key with its default, written by `python -m hodor.config` from the declarations in hodor/config. A recipe (static.yaml,
# ...) or your own file names only what it changes; programs print the nearest key where one is misspelt. Command lines override
# single keys: --cfg.TRAINING.BASE_LR 1e-5
"""
_COLUMN, _WIDTH = 40, 128


def default_yaml() -> str:
    """The text of `configs/default.yaml`."""
    text = _HEAD
    for dotted, field in Config.walk():
        *above, key = dotted.split(".")
        line, comment = f"{'  ' * len(above)}{key}:", "; ".join(filter(None, (field.description, allowed(field))))
        if isinstance(field.default, Section):
            comment = " ".join((type(field.default).__doc__ or "").split())
        else:
            value = dict(field.default) if field.annotation == NAMED_NUMBERS else field.default
            line += " " + yaml.safe_dump(value, default_flow_style=True, width=_WIDTH).partition("\n")[0]
        first, *more = textwrap.wrap(comment, _WIDTH - _COLUMN - 2) or [""]
        text += f"{line:{_COLUMN - 1}} # {first}\n" if first else f"{line}\n"
        text += "".join(f"{'':{_COLUMN}}# {words}\n" for words in more)
    return text


if __name__ == "__main__":
    print(default_yaml(), end="")
