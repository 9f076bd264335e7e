"""Objects as files: what a network knows of an object from some photographs, a few kilobytes, to find it in other videos.

A file NAME.hodor is a safetensors file with the tensors `objects` [V, C] and `backgrounds` [V, Qb, C] (float32) of V views, and
`format`, `name` and `network` in its header; `network` is the fingerprint of the weights that made it.
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from hodor.errors import HodorError
from hodor.files import written_aside

SUFFIX = ".hodor"
MAX_VIEWS = 64
_FORMAT = "hodor object 1"
_MAX_BYTES = 2**24
_MAX_NAME = 200


@dataclass(frozen=True, eq=False)
class DescribedObject:
    """What a network knows of an object.

    Attributes:
        name: for people, one line.
        network: fingerprint of the weights.
        objects: [V, C] float32, its descriptor in each of V views.
        backgrounds: [V, Qb, C] float32, the descriptors of what was around it.
    """

    name: str
    network: str
    objects: np.ndarray
    backgrounds: np.ndarray

    def digest(self) -> str:
        """Tells descriptions apart."""
        return hashlib.sha256(self.objects.tobytes() + self.backgrounds.tobytes()).hexdigest()[:16]

    def with_views_of(self, other: "DescribedObject") -> "DescribedObject":
        """The same object with the views of another description.

        Raises:
            HodorError: another network made them, or there would be more than 64.
        """
        if other.network != self.network:
            raise HodorError(f"{self.name}: was described by another network; describe it anew")
        if len(self.objects) + len(other.objects) > MAX_VIEWS:
            raise HodorError(f"{self.name}: would have more than {MAX_VIEWS} views; describe it anew with fewer")
        backgrounds = np.concatenate([self.backgrounds, other.backgrounds])
        return replace(self, objects=np.concatenate([self.objects, other.objects]), backgrounds=backgrounds)


def write_object(path: Path | str, described: DescribedObject) -> None:
    """Writes an object; complete or absent.

    Raises:
        HodorError: the file's name doesn't end in .hodor, or the object's name can't be printed.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise HodorError(f"{path}: the name must end in {SUFFIX}")
    check_object_name(described.name, str(path))
    tensors = {name: np.ascontiguousarray(getattr(described, name), np.float32) for name in ("objects", "backgrounds")}
    header = {"format": _FORMAT, "name": described.name, "network": described.network}
    with written_aside(path) as aside:
        aside.write_bytes(safetensors.numpy.save(tensors, header))


def read_object(path: Path | str) -> DescribedObject:
    """Reads an object.

    Raises:
        HodorError: the file is missing, broken, or no object.
    """
    path = Path(path)
    if not path.is_file():
        raise HodorError(f"{path}: no such file; make it with hodor describe")
    if path.stat().st_size > _MAX_BYTES:
        raise HodorError(f"{path}: is too large to be the file of an object")
    try:
        with safetensors.safe_open(path, framework="numpy") as content:
            header, names = content.metadata() or {}, content.keys()
            tensors = {name: content.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, AttributeError, TypeError, ValueError):  # of kinds that NumPy doesn't know as well
        raise HodorError(f"{path}: broken, or no object; make it with hodor describe") from None
    if header.get("format") != _FORMAT:
        raise HodorError(f"{path}: is no object that hodor describe wrote, or one of another version")
    if not _are_descriptors(tensors):
        raise HodorError(f"{path}: broken; describe the object anew")
    name = header.get("name", "")
    check_object_name(name, str(path))
    return DescribedObject(name, header.get("network", ""), tensors["objects"], tensors["backgrounds"])


def check_object_name(name: str, where: str) -> None:
    """Makes sure that a name can be shown.

    Raises:
        HodorError: it is empty, long, or holds characters that can't be printed; `where` names its origin.
    """
    if not is_one_line(name) or len(name) > _MAX_NAME:
        raise HodorError(f"{where}: the name of an object must be one line of at most {_MAX_NAME} characters")


def is_one_line(name: str) -> bool:
    """Whether a name can be shown: it is not blank, and holds no characters that control or break a line.

    Other characters that `str.isprintable` doesn't know, such as wide spaces and what joins emoji, are parts of names.
    """
    return bool(name.strip()) and not any(unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} for each in name)


def _are_descriptors(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether these are `objects` [V, C] and `backgrounds` [V, Qb, C] of as many views as there may be, finite float32."""
    if tensors.keys() != {"objects", "backgrounds"} or any(values.dtype != np.float32 for values in tensors.values()):
        return False
    objects, backgrounds = tensors["objects"].shape, tensors["backgrounds"].shape
    shapes_fit = len(objects) == 2 and len(backgrounds) == 3 and objects == (backgrounds[0], backgrounds[2])
    return shapes_fit and 1 <= objects[0] <= MAX_VIEWS and all(np.isfinite(values).all() for values in tensors.values())
