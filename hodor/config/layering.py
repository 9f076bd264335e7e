"""Reading configurations: defaults <- a YAML file <- overrides from the command line."""

import dataclasses
import difflib
import logging
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from hodor.config.schema import Config
from hodor.errors import HodorError

Section = TypeVar("Section")
_LOGGER = logging.getLogger(__name__)


def load_config(path: Path, overrides: Sequence[tuple[str, str]] = (), *, warn_about_unknown: bool = False) -> Config:
    """Reads a configuration.

    Args:
        path: a YAML file with any of the keys; what it leaves out has its default.
        overrides: (dotted key such as "TRAINING.BASE_LR", value as YAML text), applied last.
        warn_about_unknown: unknown keys of the file are only warned of, as befits files that others made.

    Raises:
        HodorError: the file is missing or broken, a key is unknown, or a value has the wrong type.
    """
    try:
        content = _parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise HodorError(f"{path}: not valid YAML ({error})") from None
    config = _update(Config(), {} if content is None else content, str(path), "", warn_about_unknown)
    for key, text in overrides:
        try:
            value = _parse(text)
        except (yaml.YAMLError, ValueError) as error:
            raise HodorError(f"--cfg.{key}: {text!r} is not valid YAML ({error})") from None
        for part in reversed(key.split(".")):
            value = {part: value}
        config = _update(config, value, f"--cfg.{key}", "", False)
    return config


def from_yaml(text: str, source: str) -> Config:
    """Reads a configuration from text, warning of unknown keys; `source` names its origin in messages.

    Raises:
        HodorError: the text is broken or a value has the wrong type.
    """
    try:
        content = _parse(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise HodorError(f"{source}: not valid YAML ({error})") from None
    return _update(Config(), {} if content is None else content, source, "", True)


def to_yaml(config: Config) -> str:
    """Every key of a configuration as YAML, in upper case and in the order of the schema."""
    return yaml.safe_dump(_as_mapping(config), sort_keys=False)


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads 1e-4 as a number, like everybody but YAML 1.1."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


def _as_mapping(section: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for item in dataclasses.fields(section):
        value = getattr(section, item.name)
        if dataclasses.is_dataclass(value):
            value = _as_mapping(value)
        result[item.name.upper()] = list(value) if isinstance(value, tuple) else value
    return result


def _update(section: Section, content: Any, source: str, prefix: str, warn: bool) -> Section:
    """A copy of a section with the values of a mapping of upper-case keys."""
    if not isinstance(content, Mapping):
        raise HodorError(f"{source}: {prefix.rstrip('.') or 'the file'} must be a mapping of keys, not {content!r}")
    kinds = typing.get_type_hints(type(section))
    changes: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if not isinstance(key, str) or key != key.upper() or key.lower() not in kinds:
            if not warn:
                raise HodorError(f"{source}: unknown key {name}{_nearest(name)}")
            _LOGGER.warning("%s: unknown key %s is ignored%s", source, name, _nearest(name))
            continue
        old = getattr(section, key.lower())
        if dataclasses.is_dataclass(old):
            changes[key.lower()] = _update(old, value, source, f"{name}.", warn)
        else:
            changes[key.lower()] = _converted(value, kinds[key.lower()], source, name)
    return dataclasses.replace(typing.cast(Any, section), **changes)


def _converted(value: Any, kind: Any, source: str, name: str) -> Any:
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_converted(item, typing.get_args(kind)[0], source, name) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(kind, "a list of numbers")
    raise HodorError(f"{source}: {name} must be {wanted}, not {value!r}")


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name.upper(), list(_all_keys(Config(), "")), n=1, cutoff=0.0)
    return f"; did you mean {close[0]}?" if close else ""


def _all_keys(section: Any, prefix: str) -> Iterator[str]:
    for item in dataclasses.fields(section):
        name = f"{prefix}{item.name.upper()}"
        yield name
        value = getattr(section, item.name)
        if dataclasses.is_dataclass(value):
            yield from _all_keys(value, f"{name}.")
