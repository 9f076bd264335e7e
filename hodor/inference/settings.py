"""Settings and states that users hand over, checked: what can't be is refused in one line that says why."""

import numbers
import operator
from collections.abc import Iterable, Mapping
from typing import Any

from hodor.config import Config
from hodor.errors import HodorError


def whole_number(name: str, value: Any, least: int) -> int:
    """A setting that counts something.

    Raises:
        HodorError: it is no whole number, or smaller than `least`; the message calls it `name`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise HodorError(f"{name} must be a whole number, not {value!r}") from None
    if number < least:
        raise HodorError(f"{name} must be at least {least}, not {number}")
    return number


def share(name: str, value: Any) -> float:
    """A setting from 0 to below 1.

    Raises:
        HodorError: it is no such number; the message calls it `name`.
    """
    if isinstance(value, numbers.Real) and 0 <= float(value) < 1:
        return float(value)
    raise HodorError(f"{name} must be a number from 0 to below 1, not {value!r}")


def memory_settings(
    *,
    temporal_window: Any,
    permanent_reference: Any,
    min_confidence: Any,
    long_term_interval: Any,
    corrections_replace: Any,
    presence_threshold: Any,
) -> dict[str, Any]:
    """The arguments of `DescriptorTracker` that say what is remembered, in plain Python's types.

    Raises:
        HodorError: a number is out of range or no number.
    """
    return {
        "temporal_window": whole_number("the temporal window", temporal_window, 1),
        "permanent_reference": bool(permanent_reference),
        "min_confidence": share("min_confidence", min_confidence),
        "long_term_interval": whole_number("long_term_interval", long_term_interval, 0),
        "corrections_replace": bool(corrections_replace),
        "presence_threshold": share("presence_threshold", presence_threshold),
    }


def size_limits(min_dim: Any, max_dim: Any) -> tuple[int, int]:
    """The shorter side of frames and the limit of the longer one, in pixels.

    Raises:
        HodorError: they are no whole numbers, or don't fit together.
    """
    limits = whole_number("min_dim", min_dim, 1), whole_number("max_dim", max_dim, 1)
    if limits[0] > limits[1]:
        raise HodorError(f"sizes must satisfy 1 <= min_dim <= max_dim, not {min_dim} and {max_dim}")
    return limits


def check_pairs(video: Iterable[Any]) -> None:
    """Makes sure that a video consists of pairs of a frame and its masks.

    Raises:
        HodorError: it doesn't.
    """
    for pair in video:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            kind = type(pair).__name__
            raise HodorError(f"follow takes pairs (frame, masks), masks being None where none are given, not {kind}")


def check_state(state: Any, settings: Mapping[str, Any], progress: Iterable[str]) -> None:
    """Makes sure that a state is one of a segmenter with these settings.

    Args:
        state: what was handed over.
        settings: by name; they must be equal in the state.
        progress: names of what else must be in it.

    Raises:
        HodorError: something is missing or differs; the message names it.
    """
    if not isinstance(state, Mapping) or "version" not in state:
        raise HodorError("this is no state of a segmenter; give what Segmenter.state_dict returned")
    if state["version"] != settings["version"]:
        raise HodorError(f"the state has format {state['version']!r}, not {settings['version']}; another version wrote it")
    if missing := [name for name in (*settings, *progress) if name not in state]:
        raise HodorError(f"the state of the segmenter is incomplete: {', '.join(missing)} missing")
    differing = [name for name in settings if state[name] != settings[name]]
    if differing == ["network"]:
        raise HodorError("the state comes from a network with other weights; load the same checkpoint")
    if differing := [name for name in differing if name != "network"]:
        told = ", ".join(f"{name} is {settings[name]!r} here and {state[name]!r} in the state" for name in differing)
        raise HodorError(f"the state comes from another segmenter: {told}")


def recommended_options(config: Config) -> dict[str, Any]:
    """The arguments of `Segmenter` that a network of this configuration is meant to be used with."""
    return {
        "min_dim": config.input.min_dim,
        "max_dim": config.input.max_dim,
        "temporal_window": config.inference.temporal_window,
        "permanent_reference": config.inference.permanent_reference,
        "min_confidence": config.inference.min_confidence,
        "long_term_interval": config.inference.long_term_interval,
        "presence_threshold": config.inference.presence_threshold,
        "guided_edges": config.inference.guided_edges,
    }
