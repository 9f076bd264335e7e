"""Making images reachable in a workspace: links to the folders they lie in, or copies."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from hodor.errors import HodorError
from hodor.files import folder_written_aside

LINK, COPY = "link", "copy"
Names = Callable[[], Iterable[str]]


def is_placed(source: Path, names: Names, place: Path, how: str) -> bool:
    """Whether images are where they should be already.

    Args:
        source: the folder they lie in.
        names: gives their paths relative to that folder; called only where copies have to be compared.
        place: the folder they should be reachable in.
        how: LINK or COPY.

    Raises:
        HodorError: something else is there.
    """
    if not place.exists() and not place.is_symlink():
        return False
    refuse_other_link(source, place, how)
    if place.resolve() == source.resolve() or (place.is_dir() and _holds_copies(source, names(), place)):
        return True
    raise HodorError(_in_the_way(source, place, "exists already with other files"))


def refuse_other_link(source: Path, place: Path, how: str) -> None:
    """Makes sure, without a look at the images, that `place` is no link that stands in the way of images in `source`.

    Raises:
        HodorError: it is a link to elsewhere, or a link to `source` where copies are wanted.
    """
    if not place.is_symlink():
        return
    if place.resolve() != source.resolve():
        raise HodorError(_in_the_way(source, place, f"is a link to {place.readlink()}"))
    if how == COPY:
        raise HodorError(f"{place}: is a link to the images, not a copy; remove it (rm '{place}') and run the command again")


def put(source: Path, names: Names, place: Path, how: str) -> None:
    """Makes images reachable in `place`, where nothing is yet; arguments as in `is_placed`. Copies are complete or absent."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if how == LINK:
        place.symlink_to(source.resolve(), target_is_directory=True)
        return
    with folder_written_aside(place) as aside:
        for name in names():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, aside / name)


def _holds_copies(source: Path, names: Iterable[str], place: Path) -> bool:
    return all((place / name).is_file() and (place / name).stat().st_size == (source / name).stat().st_size for name in names)


def _in_the_way(source: Path, place: Path, found: str) -> str:
    return f"{place}: {found}, but the images are in {source.resolve()}; remove it, or choose another data set name with --name"
