"""Checkpoints on a hub: `hf://owner/name[@revision]`, a repository of safetensors and a configuration that people can read.

The library `huggingface_hub` speaks with the hub, and keeps what came in its cache. Nothing but the two files is asked for, so
no pickle ever comes from there.
"""

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import safetensors

from hodor.config.layering import from_yaml
from hodor.errors import HodorError
from hodor.program import describe_os_error, one_line

if TYPE_CHECKING:
    from types import ModuleType

WEIGHTS = "model.safetensors"
CONFIGURATION = "config.yaml"
_SCHEME = re.compile(r"hf:/{1,2}(?=[^/])")  # a `Path` has one slash where two were written
_NAME = re.compile(r"(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w-][\w.-]*(?:/[\w-][\w.-]*)*))?", re.ASCII)
_NO_RIGHT = "no such repository, or one that you have no right to; look at the name, or log in: hf auth login"
_LONGEST = 200


class HubName(NamedTuple):
    """A repository "owner/name", and a branch, tag or commit of it; None = its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub_name(checkpoint: str | Path) -> bool:
    """Whether a checkpoint is named as one on a hub."""
    return _SCHEME.match(str(checkpoint)) is not None


def parse_hub_name(text: str | Path) -> HubName:
    """The repository that `hf://owner/name[@revision]` means.

    Raises:
        HodorError: it is no such name.
    """
    found = _NAME.fullmatch(_SCHEME.sub("", str(text)))
    if not is_hub_name(text) or found is None:
        raise HodorError(f"{text}: is no name of a checkpoint on a hub; these are hf://owner/name or hf://owner/name@revision")
    return HubName(found["repository"], found["revision"])


def fetch(name: HubName) -> Path:
    """The weights of a repository, with their configuration beside them, both of one commit.

    What is in the library's cache already isn't downloaded again, and serves also without a connection.

    Raises:
        HodorError: there is no such repository or it may not be read, it lacks one of the files, the server breaks off or sends
            another size, the two files don't belong together, or the library isn't installed.
    """
    with hub_errors(name) as library:
        configuration = Path(library.hf_hub_download(name.repository, CONFIGURATION, revision=name.revision))
        commit = configuration.parent.name
        weights = Path(library.hf_hub_download(name.repository, WEIGHTS, revision=commit))
    try:
        with safetensors.safe_open(weights, framework="np") as file:
            within = (file.metadata() or {}).get("config", "")
    except (safetensors.SafetensorError, ValueError) as error:
        raise HodorError(f"{name}: its {WEIGHTS} is truncated or no safetensors file ({error})") from None
    shown = from_yaml(configuration.read_text(encoding="utf-8", errors="replace"), f"{name}: {CONFIGURATION}")
    if not within or from_yaml(within, f"{name}: {WEIGHTS}") != shown:  # people read the one, and the other counts
        raise HodorError(f"{name}: {CONFIGURATION} is not the configuration within {WEIGHTS}; push both anew: hodor push")
    return weights


@contextlib.contextmanager
def hub_errors(name: HubName) -> "Iterator[ModuleType]":
    """Gives the library; what goes wrong in it becomes one line that names the repository.

    Raises:
        HodorError: it isn't installed, or something went wrong.
    """
    try:
        import huggingface_hub  # noqa: PLC0415 (an extra)
    except ImportError:
        raise HodorError(f"{name}: needs huggingface_hub; install it: pip install 'hodor[hub]'") from None
    for requests in ("httpx", "httpx2"):
        logging.getLogger(requests).setLevel(logging.WARNING)  # the library's programs need not tell of every request
    try:
        yield huggingface_hub
    except HodorError:
        raise
    except Exception as error:  # the library's own, those of what it speaks HTTP with, and the system's
        raise HodorError(f"{name}: {_reason(name, error)}") from None


def _reason(name: HubName, error: Exception) -> str:
    """What went wrong, and what may help."""
    from huggingface_hub import errors  # noqa: PLC0415

    told = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) else None  # else the hub's own words
    short = one_line(str(told or error))[:_LONGEST] or type(error).__name__
    missing = WEIGHTS if WEIGHTS in str(error) else CONFIGURATION
    known = {
        errors.LocalEntryNotFoundError: f"the server can't be reached, and the cache has no copy of it ({short})",
        errors.GatedRepoError: "its owner wants to be asked; ask on its page, and log in: hf auth login",
        errors.RevisionNotFoundError: f"the repository has no revision {name.revision or 'main'!r}",
        errors.RemoteEntryNotFoundError: f"has no {missing}; {WEIGHTS} and {CONFIGURATION} are what is read from a hub "
        "(hodor push writes them)",
        errors.RepositoryNotFoundError: _NO_RIGHT,
        errors.HFValidationError: f"is no name that a hub has ({short})",
    }
    for kind, reason in known.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return _NO_RIGHT if status == 401 else f"the server answers {status} ({short})"
    if isinstance(error, OSError) and error.errno:
        return describe_os_error(error)
    return f"the connection broke off, or sent what it shouldn't ({short}); try again"
