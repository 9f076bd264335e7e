"""Reading configurations: defaults <- a YAML file <- overrides from the command line."""

import contextlib
import dataclasses
import difflib
import logging
import math
import re
import reprlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from hodor.config.schema import NEW_KEYS, Config, NamedNumbers
from hodor.errors import HodorError

Section = TypeVar("Section")
_LOGGER = logging.getLogger(__name__)
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2


def load_config(path: Path, overrides: Sequence[tuple[str, str]] = (), *, warn_about_unknown: bool = False) -> Config:
    """Reads a configuration.

    Args:
        path: a YAML file with any of the keys; what it leaves out has its default. `BASE: other.yaml`, relative to the file,
            makes it a layer on top of another file.
        overrides: (dotted key such as "TRAINING.BASE_LR", value as YAML text), applied last.
        warn_about_unknown: unknown keys of the file are only warned of, as befits files that others made.

    Raises:
        HodorError: the file is missing or broken, a key is unknown, or a value has the wrong type.
    """
    config = _read_layers(path, warn_about_unknown, ())
    for key, override in overrides:
        value = _parse(override, f"--cfg.{key}")
        for part in reversed(key.split(".")):
            value = {part: value}
        config = _update(config, value, f"--cfg.{key}", "", False)
    return config


def _read_layers(path: Path, warn: bool, above: tuple[Path, ...]) -> Config:
    """A file on top of its base, and that on top of its own."""
    if path in above:
        raise HodorError(f"{above[0]}: BASE leads back to {path}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file" + (f", which {above[-1]} names as its BASE" if above else "")) from None
    except UnicodeDecodeError as error:
        raise HodorError(f"{path}: not a text file in UTF-8 ({error})") from None
    content = _parse(text, str(path))
    config = Config()
    if isinstance(content, dict) and "BASE" in content:
        base = content.pop("BASE")
        if not isinstance(base, str):
            raise HodorError(f"{path}: BASE must be the name of a file, not {base!r}")
        config = _read_layers(path.parent / base, warn, (*above, path))
    return _update(config, {} if content is None else content, str(path), "", warn)


def from_yaml(text: str, source: str) -> Config:
    """Reads a configuration from text, warning of unknown keys; `source` names its origin in messages.

    Raises:
        HodorError: the text is broken or a value has the wrong type.
    """
    content = _parse(text, source)
    return _update(Config(), {} if content is None else content, source, "", True)


def to_yaml(config: Config, *, for_original: bool = False) -> str:
    """A configuration as YAML, keys in upper case and in the order of the schema.

    Args:
        config: what to write.
        for_original: leave out keys that the original doesn't know, where they have their defaults.
    """
    content = _as_mapping(config)
    if for_original:
        _drop_new_defaults(content, _as_mapping(Config()), "")
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False)


def _drop_new_defaults(content: dict[str, Any], defaults: dict[str, Any], section: str) -> None:
    for key, default in defaults.items():
        if key in NEW_KEYS.get(section, ()) and content[key] == default:
            del content[key]
        elif isinstance(default, dict) and default:
            _drop_new_defaults(content[key], default, key)


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads 1e-4 as a number, like everybody but YAML 1.1."""


class _Dumper(yaml.SafeDumper):
    """Its counterpart, which puts a text like 1e-4 into quotes."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except Exception as error:  # besides YAMLError, whatever odd tags and deep nesting make PyYAML stumble over
        raise HodorError(f"{source}: not valid YAML ({_one_line(error) or type(error).__name__})") from None


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _as_mapping(section: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    kinds = typing.get_type_hints(type(section))
    for item in dataclasses.fields(section):
        value = getattr(section, item.name)
        if dataclasses.is_dataclass(value):
            value = _as_mapping(value)
        elif kinds[item.name] == NamedNumbers:
            value = dict(value)
        result[item.name.upper()] = list(value) if isinstance(value, tuple) else value
    return result


def _update(section: Section, content: Any, source: str, prefix: str, warn: bool) -> Section:
    """A copy of a section with the values of a mapping of upper-case keys."""
    if not isinstance(content, Mapping):
        raise HodorError(f"{source}: {prefix.rstrip('.') or 'the file'} must be a mapping of keys, not {_SHORT.repr(content)}")
    kinds = typing.get_type_hints(type(section))
    changes: dict[str, Any] = {}
    for key, value in content.items():
        name = prefix + _one_line(key)
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
    if kind == NamedNumbers and isinstance(value, Mapping):
        names = [_converted(key, str, source, f"a name in {name}") for key in value]
        return tuple((key, _converted(value[key], float, source, f"{name}.{key}")) for key in names)
    if typing.get_origin(kind) is tuple and kind != NamedNumbers and isinstance(value, list):
        return tuple(_converted(item, typing.get_args(kind)[0], source, name) for item in value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            if math.isfinite(number := float(value)):
                return number
    elif isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    names_of_kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    names_of_kinds[NamedNumbers] = "a mapping of names to numbers"
    wanted = names_of_kinds.get(kind, "a list of numbers")
    raise HodorError(f"{source}: {name} must be {wanted}, not {_SHORT.repr(value)}")


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
