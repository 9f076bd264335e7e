"""Reading configurations: defaults <- YAML files on top of each other <- overrides from the command line. Writing them."""

import difflib
import functools
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from hodor.config.declaration import NAMED_NUMBERS, BadValueError, Section, shown
from hodor.config.schema import Config
from hodor.errors import HodorError

_LOGGER = logging.getLogger(__name__)
_MOST_BYTES = 1 << 16
_MOST_ENTRIES = 256
_ONLY_FOR_TRAINING = ("TRAINING", "DATA", "INPUT.MAX_IMAGE_AREA")


def load_config(path: Path, overrides: Sequence[tuple[str, str]] = (), *, warn_about_unknown: bool = False) -> Config:
    """Reads a configuration.

    Args:
        path: a YAML file with any of the keys; what it leaves out has its default. `BASE: other.yaml`, relative to the file,
            makes it a layer on top of another file.
        overrides: (dotted key such as "TRAINING.BASE_LR", value as YAML text), applied last.
        warn_about_unknown: unknown keys of the file, and values out of range that only training reads, are only warned of, as
            befits files that others made.

    Raises:
        HodorError: the file is missing or broken, a key is unknown, or a value has the wrong type or is out of range.
    """
    layers = _Layers()
    layers.add_file(path, warn_about_unknown, ())
    for key, text in overrides:
        value = _parse(text, f"--cfg.{key}")
        for part in reversed(key.split(".")):
            value = {part: value}
        layers.add(value, f"--cfg.{key}", False)
    return layers.config()


def from_yaml(text: str, source: str) -> Config:
    """Reads a configuration from text that others may have made; `source` names its origin in messages.

    Raises:
        HodorError: the text is broken, or a value has the wrong type or is out of range.
    """
    layers = _Layers()
    layers.add(_parse(text, source), source, True)
    return layers.config()


class _Given(NamedTuple):
    value: Any
    source: str
    by_others: bool


class _Layers:
    """What was given so far, by dotted key; later layers hide earlier ones."""

    def __init__(self) -> None:
        self._given: dict[str, _Given] = {}

    def add_file(self, path: Path, by_others: bool, above: tuple[Path, ...]) -> None:
        """Adds a file's base, and that of its own first, then the file."""
        if path in above:
            raise HodorError(f"{above[0]}: BASE leads back to {path}")
        content = _parse(_read(path, above), str(path))
        if isinstance(content, dict) and "BASE" in content:
            base = content.pop("BASE")
            if not isinstance(base, str) or not base.isprintable():
                raise HodorError(f"{path}: BASE must be the name of a file, not {shown(base)}")
            self.add_file(path.parent / base, by_others, (*above, path))
        self.add(content, str(path), by_others)

    def add(self, content: Any, source: str, by_others: bool) -> None:
        """Adds a mapping of sections; None is an empty one."""
        self._add(Config, {} if content is None else content, source, by_others)

    def _add(self, section: type[Section], content: Any, source: str, by_others: bool) -> None:
        place = section.dotted()
        if not isinstance(content, Mapping):
            raise HodorError(f"{source}: {place or 'the file'} must be a mapping of keys, not {shown(content)}")
        for key, value in content.items():
            field = section.fields().get(key.lower()) if isinstance(key, str) and key == key.upper() else None
            name = ".".join(filter(None, (place, _cut(key if isinstance(key, str) else shown(key)))))
            if field is None and by_others:
                _LOGGER.warning("%s: unknown key %s is ignored%s", source, name, _nearest(name))
            elif field is None:
                raise HodorError(f"{source}: unknown key {name}{_nearest(name)}")
            elif isinstance(field.default, Section):
                self._add(type(field.default), value, source, by_others)
            else:
                self._given.pop(name, None)
                self._given[name] = _Given(value, source, by_others)

    def config(self) -> Config:
        """The configuration; drops what others gave in vain for training alone."""
        while True:
            try:
                return self._made(Config)
            except BadValueError as error:
                concerned = [key for key in self._given if f"{key}.".startswith(f"{error.key}.")]
                last = self._given[concerned[-1]]
                if not (last.by_others and error.key.startswith(_ONLY_FOR_TRAINING)):
                    raise HodorError(f"{last.source}: {error}") from None
                _LOGGER.warning("%s: %s; ignored, since only training needs it", last.source, error)
                for key in concerned:
                    del self._given[key]

    def _made(self, section: type[Section]) -> Any:
        values = {}
        for name, field in section.fields().items():
            if isinstance(field.default, Section):
                values[name] = self._made(type(field.default))
            elif section.dotted(name) in self._given:
                values[name] = self._given[section.dotted(name)].value
        return section(**values)


def _read(path: Path, above: tuple[Path, ...]) -> str:
    try:
        if path.exists() and not path.is_file():
            raise HodorError(f"{path}: not a regular file")
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1).decode()
    except FileNotFoundError:
        raise HodorError(f"{path}: no such file" + (f", which {above[-1]} names as its BASE" if above else "")) from None
    except UnicodeDecodeError as error:
        raise HodorError(f"{path}: not a text file in UTF-8 ({error})") from None
    except OSError as error:
        raise HodorError(f"{_cut(str(path))}: {error.strerror}") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads 1e-4 as a number, like everybody but YAML 1.1, and nothing large."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node of the document."""
        return _small(super().compose_node(parent, index))

    def flatten_mapping(self, node: Any) -> None:
        """Replaces `<<` by what it stands for, which can grow without bounds."""
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
    if len(text) > _MOST_BYTES:
        raise HodorError(f"{source}: not valid YAML for a configuration (more than {_MOST_BYTES >> 10} KiB)")
    try:
        return yaml.load(text, Loader=_Loader)
    except Exception as error:  # besides YAMLError, whatever odd tags and deep nesting make PyYAML stumble over
        raise HodorError(f"{source}: not valid YAML ({_cut(str(error)) or type(error).__name__})") from None


def _cut(text: str, longest: int = 200) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name.upper(), _all_keys(), n=1, cutoff=0.0)
    return f"; did you mean {close[0]}?" if close else ""


@functools.cache
def _all_keys() -> list[str]:
    def walk(section: type[Section]) -> Iterator[str]:
        for name, field in section.fields().items():
            yield section.dotted(name)
            if isinstance(field.default, Section):
                yield from walk(type(field.default))

    return list(walk(Config))


def to_yaml(config: Config, *, for_original: bool = False) -> str:
    """A configuration as YAML, keys in upper case and in the order of the schema.

    Args:
        config: what to write.
        for_original: leave out keys that the original doesn't know, where they have their defaults.
    """
    return yaml.dump(_as_mapping(config, for_original), Dumper=_Dumper, sort_keys=False)


def _as_mapping(section: Section, for_original: bool) -> dict[str, Any]:
    result = {}
    for name, field in section.fields().items():
        value = getattr(section, name)
        if for_original and field.json_schema_extra == {"new": True} and value == field.default:
            continue
        if isinstance(value, Section):
            value = _as_mapping(value, for_original)
        elif field.annotation == NAMED_NUMBERS:
            value = dict(value)
        result[name.upper()] = list(value) if isinstance(value, tuple) else value
    return result
