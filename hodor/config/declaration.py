"""How sections of a configuration are declared; they check their values when they are made."""

import reprlib
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args, get_origin

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from typing_extensions import dataclass_transform

from hodor.errors import HodorError

_STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
_MAPPING = TypeAdapter(dict[str, float], config=_STRICT)
_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list of numbers",
    "dict_type": "a mapping of names to numbers",
}
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2


class BadValueError(HodorError):
    """A section refuses the value of a key, whose dotted name is `key`; where values don't fit together, their section's."""

    key = ""


def key(default: Any, meaning: str = "", *, new: bool = False, **bounds: Any) -> Any:
    """A key of a section. Its meaning leaves out what type and bounds (`ge`, `le` and `lt` of pydantic) say.

    The original doesn't know keys that are `new`, and refuses files that have them.
    """
    strict = False if isinstance(default, tuple) else None  # lists of YAML become tuples
    return Field(default, description=meaning, json_schema_extra={"new": new}, strict=strict, **bounds)


def must(be: str, holds: Callable[[Any], bool]) -> AfterValidator:
    """A condition on a value, for an `Annotated` type, and what it says in words after "must be"."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(be)
        return value

    return AfterValidator(check)


def _pairs(value: Any) -> tuple[tuple[str, float], ...]:
    return tuple(_MAPPING.validate_python(dict(value) if isinstance(value, tuple) else value).items())


NAMED_NUMBERS = tuple[tuple[str, float], ...]
NamedNumbers: TypeAlias = Annotated[NAMED_NUMBERS, PlainValidator(_pairs)]
"""Numbers by names of the user's choice, a mapping in YAML."""


@dataclass_transform(frozen_default=True)
class Section:
    """A frozen dataclass of keys and sections, declared with its dotted name. Wherever it is made, it checks its values and
    raises BadValueError. A `__post_init__` may raise ValueError where values don't fit together, with a text that names them.
    """

    place: ClassVar[str]
    fields: ClassVar[dict[str, FieldInfo]]
    """Its keys and sections by attribute, in order."""

    def __init_subclass__(cls, place: str = "") -> None:
        cls.place = place
        cls.fields = dataclass(cls, frozen=True, config=_STRICT).__pydantic_fields__
        unguarded = cls.__init__

        def guarded(self: Any, *values: Any, **named: Any) -> None:
            try:
                unguarded(self, *values, **named)
            except ValidationError as error:
                raise cls._refusal(error.errors(include_url=False)[0]) from None

        cls.__init__ = guarded  # type: ignore[method-assign]

    @classmethod
    def walk(cls) -> Iterator[tuple[str, FieldInfo]]:
        """The dotted names of all its keys and sections, and theirs, in order."""
        for name, field in cls.fields.items():
            yield cls.dotted(name), field
            if isinstance(field.default, Section):
                yield from type(field.default).walk()

    @classmethod
    def dotted(cls, name: str) -> str:
        """The name of an attribute in YAML, where keys are in upper case."""
        return f"{cls.place}.{name.upper()}".strip(".")

    @classmethod
    def _refusal(cls, error: Any) -> BadValueError:
        """The first error that pydantic found, in our words."""
        name, *inner = error["loc"] or ("",)
        dotted = cls.dotted(str(name))
        cause = str(error.get("ctx", {}).get("error", f"{dotted}: {error['msg']}"))
        if name in cls.fields:
            inside = [cut(part) for part in inner if isinstance(part, str)]
            what = f"a name in {dotted}" if inner[1:] == ["[key]"] else ".".join([dotted, *inside])
            wanted = _KINDS.get(error["type"]) or allowed(cls.fields[name]) or cause
            cause = f"{what} must be {wanted}, not {shown(error['input'])}"
        refusal = BadValueError(cause)
        refusal.key = dotted
        return refusal


def allowed(field: FieldInfo) -> str:
    """What a key's values may be, as far as its choices or bounds say it; else empty."""
    if get_origin(field.annotation) is Literal:
        choices = [choice for choice in get_args(field.annotation) if choice]
        return f"one of {', '.join(choices)}" if len(choices) > 3 else f"{', '.join(choices[:-1])} or {choices[-1]}"
    bounds = {name: getattr(part, name) for part in field.metadata for name in ("ge", "le", "lt") if hasattr(part, name)}
    texts = {("ge", "le"): "{ge}..{le}", ("ge", "lt"): "in [{ge}, {lt})", ("ge",): "at least {ge}"}
    return texts.get(tuple(sorted(bounds)), "").format(**bounds)


def shown(value: object) -> str:
    """A value for a message: short, on one line."""
    try:
        return _SHORT.repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:  # of a whole number that is too long for Python to write
        return "a number of thousands of digits"


def cut(text: str, longest: int = 200) -> str:
    """A text for a message: on one line, and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
