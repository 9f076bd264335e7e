"""Settings and states that users hand over, checked: what can't be is refused in one line that says why."""

import dataclasses
import numbers
import operator
from collections.abc import Collection, Mapping
from typing import Any

from hodor.config import Config
from hodor.errors import HodorError
from hodor.inference.memory import MemorySettings


def whole_number(name: str, value: Any, least: int) -> int:
    """A setting that counts something, from `least` on; of any other a HodorError says so, calling it `name`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise HodorError(f"{name} must be a whole number, not {value!r}") from None
    if number < least:
        raise HodorError(f"{name} must be at least {least}, not {number}")
    return number


def share(name: str, value: Any) -> float:
    """A setting from 0 to below 1; of any other a HodorError says so, calling it `name`."""
    if isinstance(value, numbers.Real) and 0 <= float(value) < 1:
        return float(value)
    raise HodorError(f"{name} must be a number from 0 to below 1, not {value!r}")


def checked_memory(told: MemorySettings) -> MemorySettings:
    """What is to be remembered, of any kind that a user may give; of what can't be a HodorError says so, naming it."""
    return MemorySettings(
        whole_number("the temporal window", told.temporal_window, 1),
        bool(told.permanent_reference),
        share("min_confidence", told.min_confidence),
        whole_number("long_term_interval", told.long_term_interval, 0),
        bool(told.corrections_replace),
        share("presence_threshold", told.presence_threshold),
    )


def checked_sizes(min_dim: int, max_dim: int) -> tuple[int, int]:
    """The least shorter and the largest longer side of frames, likewise."""
    sizes = whole_number("min_dim", min_dim, 1), whole_number("max_dim", max_dim, 1)
    if sizes[0] > sizes[1]:
        raise HodorError(f"sizes must satisfy 1 <= min_dim <= max_dim, not {min_dim} and {max_dim}")
    return sizes


def check_state(state: Any, own: Mapping[str, Any], settings: Collection[str]) -> None:
    """Refuses a state that lacks something of a segmenter's `own`, or differs in its `settings`; the HodorError names it."""
    if not isinstance(state, Mapping) or "version" not in state:
        raise HodorError("this is no state of a segmenter; give what Segmenter.state_dict returned")
    if state["version"] != own["version"]:
        raise HodorError(f"the state has format {state['version']!r}, not {own['version']}; another version wrote it")
    if missing := [name for name in own if name not in state]:
        raise HodorError(f"the state of the segmenter is incomplete: {', '.join(missing)} missing")
    differing = [name for name in settings if state[name] != own[name]]
    if differing == ["network"]:
        raise HodorError("the state comes from a network with other weights; load the same checkpoint")
    if differing := [name for name in differing if name != "network"]:
        told = ", ".join(f"{name} is {own[name]!r} here and {state[name]!r} in the state" for name in differing)
        raise HodorError(f"the state comes from another segmenter: {told}")


def recommended_options(config: Config, min_dim: int | None = None) -> dict[str, Any]:
    """The arguments of `Segmenter` that a network of this configuration is meant to be used with.

    `min_dim` is another shorter side of the frames; the longer side's limit is scaled likewise.
    """
    usual = config.input
    sizes = {"min_dim": usual.min_dim, "max_dim": usual.max_dim}
    if min_dim is not None:
        sizes = {"min_dim": min_dim, "max_dim": round(min_dim * usual.max_dim / usual.min_dim)}
    return sizes | dataclasses.asdict(config.inference)
