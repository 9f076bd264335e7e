"""Writes every key with its default and meaning: python -m hodor.config > configs/default.yaml"""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from hodor.config.declaration import Section, allowed
from hodor.config.layering import to_yaml
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
    for line, comment in _lines(Config, yaml.safe_load(to_yaml(Config())), ""):
        first, *more = textwrap.wrap(comment, _WIDTH - _COLUMN - 2) or [""]
        text += f"{line:{_COLUMN - 1}} # {first}\n" if first else f"{line}\n"
        text += "".join(f"{'':{_COLUMN}}# {words}\n" for words in more)
    return text


def _lines(section: type[Section], content: Mapping[str, Any], indent: str) -> Iterator[tuple[str, str]]:
    """Each line and its comment."""
    for name, field in section.fields().items():
        key, value = name.upper(), content[name.upper()]
        if isinstance(field.default, Section):
            yield f"{indent}{key}:", " ".join((type(field.default).__doc__ or "").split())
            yield from _lines(type(field.default), value, f"{indent}  ")
        else:
            text = yaml.safe_dump(value, default_flow_style=True, width=_WIDTH).partition("\n")[0]
            yield f"{indent}{key}: {text}", "; ".join(filter(None, (field.description, allowed(field))))


if __name__ == "__main__":
    print(default_yaml(), end="")
