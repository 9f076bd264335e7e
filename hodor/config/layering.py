"""Reading configurations: defaults <- YAML files on top of each other <- overrides from the command line. Writing them."""

import difflib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from hodor.config.declaration import NAMED_NUMBERS, BadValueError, Section, cut, shown
from hodor.config.schema import Config
from hodor.errors import HodorError

_LOGGER = logging.getLogger(__name__)
_MOST_CHARACTERS = 1 << 16
_MOST_ENTRIES = 256
_KEYS = dict(Config.walk())
_ONLY_FOR_TRAINING = ("TRAINING", "DATA", "INPUT.MAX_IMAGE_AREA")


class _Given(NamedTuple):
    value: Any
    source: str
    by_others: bool


def load_config(path: Path, overrides: Sequence[tuple[str, str]] = (), *, warn_about_unknown: bool = False) -> Config:
    """Reads a configuration from a YAML file with any of the keys; what it leaves out has its default.

    `BASE: other.yaml`, relative to the file, makes it a layer on top of another file. Overrides, (dotted key such as
    "TRAINING.BASE_LR", value as YAML text), come last. With `warn_about_unknown` the file may have been made by others: unknown
    keys, and values that can't be but that only training reads, are warned of and ignored.

    Raises:
        HodorError: the file is missing or broken, a key is unknown, or a value has the wrong type or is out of range.
    """
    given: dict[str, _Given] = {}
    for file, content in _files(path):
        _add(given, content, str(file), warn_about_unknown)
    for key, text in overrides:
        _add(given, {key: _parse(text, f"--cfg.{key}")}, f"--cfg.{key}", False)
    return _checked(given)


def from_yaml(text: str, source: str) -> Config:
    """Likewise from a text that others may have made; `source` names its origin in messages."""
    given: dict[str, _Given] = {}
    _add(given, _parse(text, source), source, True)
    return _checked(given)


def _files(path: Path, above: tuple[Path, ...] = ()) -> Iterator[tuple[Path, Any]]:
    """A file and its content, and before them those that it is on top of."""
    if path in above:
        raise HodorError(f"{above[0]}: BASE leads back to {path}")
    try:
        if path.exists() and not path.is_file():
            raise HodorError(f"{path}: not a regular file")
        with path.open(encoding="utf-8") as file:
            content = _parse(file.read(_MOST_CHARACTERS + 1), str(path))
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file" + (f", which {above[-1]} names as its BASE" if above else "")) from None
    except UnicodeDecodeError as error:
        raise HodorError(f"{path}: not a text file in UTF-8 ({error})") from None
    except OSError as error:
        raise HodorError(f"{cut(str(path))}: {error.strerror}") from None
    if isinstance(content, dict) and "BASE" in content:
        base = content.pop("BASE")
        if not isinstance(base, str) or not base.isprintable():
            raise HodorError(f"{path}: BASE must be the name of a file, not {shown(base)}")
        yield from _files(path.parent / base, (*above, path))
    yield path, content


def _add(given: dict[str, _Given], content: Any, source: str, by_others: bool, place: str = "") -> None:
    """Adds the values of a mapping to those of lower layers, by dotted key."""
    if content is None and not place:
        return
    if not isinstance(content, Mapping):
        raise HodorError(f"{source}: {place or 'the file'} must be a mapping of keys, not {shown(content)}")
    for key, value in content.items():
        name = f"{place}." * bool(place) + cut(key if isinstance(key, str) else shown(key))
        if name not in _KEYS:
            nearest = difflib.get_close_matches(name.upper(), _KEYS, n=1, cutoff=0.0)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            if not by_others:
                raise HodorError(f"{source}: unknown key {name}{hint}")
            _LOGGER.warning("%s: unknown key %s is ignored%s", source, name, hint)
        elif isinstance(_KEYS[name].default, Section):
            _add(given, value, source, by_others, name)
        else:
            given.pop(name, None)  # so that the latest is the last
            given[name] = _Given(value, source, by_others)


def _checked(given: dict[str, _Given]) -> Config:
    """The configuration; drops what others gave in vain for training alone."""
    while True:
        try:
            return _made(Config, given)
        except BadValueError as error:
            concerned = [key for key in given if f"{key}.".startswith(f"{error.key}.")]
            last = given[concerned[-1]]
            if not (last.by_others and error.key.startswith(_ONLY_FOR_TRAINING)):
                raise HodorError(f"{last.source}: {error}") from None
            _LOGGER.warning("%s: %s; ignored, since only training needs it", last.source, error)
            for key in concerned:
                del given[key]


def _made(section: type[Section], given: dict[str, _Given]) -> Any:
    values = {}
    for name, field in section.fields.items():
        if isinstance(field.default, Section):
            values[name] = _made(type(field.default), given)
        elif section.dotted(name) in given:
            values[name] = given[section.dotted(name)].value
    return section(**values)


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads 1e-4 as a number, like everybody but YAML 1.1, and nothing large, also behind `<<`."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        return _small(super().compose_node(parent, index))

    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)
        _small(node)


def _small(node: Any) -> Any:
    if isinstance(node, yaml.CollectionNode) and len(node.value) > _MOST_ENTRIES:
        raise yaml.YAMLError(f"a list or mapping with more than {_MOST_ENTRIES} entries")
    return node


class _Dumper(yaml.SafeDumper):
    """Its counterpart, which puts a text like 1e-4 into quotes."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def _parse(text: str, source: str) -> Any:
    if len(text) > _MOST_CHARACTERS:
        raise HodorError(f"{source}: not valid YAML for a configuration (more than {_MOST_CHARACTERS >> 10} KiB)")
    try:
        return yaml.load(text, Loader=_Loader)
    except Exception as error:  # besides YAMLError, whatever odd tags and deep nesting make PyYAML stumble over
        raise HodorError(f"{source}: not valid YAML ({cut(str(error)) or type(error).__name__})") from None


def to_yaml(config: Config, *, for_original: bool = False) -> str:
    """A configuration as YAML, keys in upper case and in the order of the schema.

    With `for_original` keys that the original doesn't know are left out where they have their defaults.
    """
    return yaml.dump(_as_mapping(config, for_original), Dumper=_Dumper, sort_keys=False)


def _as_mapping(section: Section, for_original: bool) -> dict[str, Any]:
    result = {}
    for name, field in section.fields.items():
        value = getattr(section, name)
        if for_original and field.json_schema_extra == {"new": True} and value == field.default:
            continue
        if isinstance(value, Section):
            value = _as_mapping(value, for_original)
        elif isinstance(value, tuple):
            value = dict(value) if field.annotation == NAMED_NUMBERS else list(value)
        result[name.upper()] = value
    return result
