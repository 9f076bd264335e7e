"""The command line that gets the authors' files: `hodor download`."""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from hodor.errors import HodorError
from hodor.files import folder_lock, written_aside
from hodor.program import ArgumentParser, run
from hodor.supplies.archive import BadArchiveError, Unpacked, unpack
from hodor.supplies.data_sets import BY_HAND
from hodor.supplies.fetch import RETRIES, discard, fetch_zip
from hodor.workspace import VARIABLE, Workspace

PAGE = "https://omnomnom.vision.rwth-aachen.de/data/HODOR/"
ARCHIVE = PAGE + "everything_zipped.zip"
_DOWNLOADS, _PART, _RECEIPT = "downloads", "archive.zip.part", "unpacked.json"
_SHOWN = 20
_log = logging.getLogger(__name__)

_DESCRIPTION = f"""\
Gets the authors' files, annotations, a pretrained backbone and checkpoints, into the workspace, the folder that
${VARIABLE} names. If it breaks off or is interrupted, the same command goes on. Files that are there
already stay as they are. At the end it says what must be downloaded by hand, and the command that makes each of these
known.

The authors' page: {PAGE}"""

_EPILOG = """\
examples:
  hodor download
  hodor download --archive ~/Downloads/everything_zipped.zip     (what a browser downloaded)"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Downloads and unpacks; returns the exit code 0.

    Raises:
        HodorError: the archive can't be had, or is not as it should be; or there is no workspace or space.
    """
    parser = ArgumentParser(
        prog="python -m hodor.supplies.download",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--url", default=ARCHIVE, help="of the archive (default: %(default)s)")
    source.add_argument("--archive", type=Path, metavar="FILE", help="unpack this file instead of downloading one")
    parser.add_argument(
        "--retries",
        type=_whole_number,
        default=RETRIES,
        metavar="N",
        help="how often to try again, after 1, 2, 4, ... seconds, where nothing comes (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    workspace = Workspace.from_environment()
    downloads = workspace.root / _DOWNLOADS
    there = [] if options.archive else _unpacked_before(downloads / _RECEIPT, options.url, workspace.root)
    if there:
        with folder_lock(downloads):
            discard(downloads / _PART)  # a process that was killed as the last thing it did may have left it
        _tell("there already", there)
    elif options.archive:
        if not options.archive.is_file():
            raise HodorError(f"{options.archive}: no such file; --archive is a zip archive from {PAGE}")
        _report(unpack(options.archive, workspace.root))
    else:
        with folder_lock(downloads):
            _report(_download(options.url, downloads, workspace.root, options.retries))
    _tell_what_is_left(workspace)
    return 0


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 0, not {text!r}")
    return int(text)


def _download(url: str, downloads: Path, root: Path, retries: int) -> Unpacked:
    """Brings the archive here and unpacks it; then, or if it is of no use, it is removed."""
    part = downloads / _PART
    _log.info("getting %s", url)
    try:
        fetch_zip(url, part, retries)
        unpacked = unpack(part, root)
    except BadArchiveError as error:
        discard(part)
        raise HodorError(str(error).replace(str(part), url)) from None
    except KeyboardInterrupt:
        _log.info("what came is kept in %s; the same command goes on", downloads)
        raise
    with written_aside(downloads / _RECEIPT) as aside:
        aside.write_text(json.dumps({"url": url, "files": sorted(str(place) for group in unpacked for place in group)}))
    discard(part)
    return unpacked


def _unpacked_before(receipt: Path, url: str, root: Path) -> list[PurePosixPath]:
    """The files that an earlier download from an address brought, if all of them are still there, else []."""
    try:
        content = json.loads(receipt.read_text())
        files = [PurePosixPath(name) for name in content["files"]] if content["url"] == url else []
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return files if all((root / file).is_file() for file in files) else []


def _report(unpacked: Unpacked) -> None:
    _tell("new", unpacked.written)
    _tell("there already", unpacked.equal)
    for place in unpacked.different:
        _log.warning("%s: differs from the authors' file and stays; to get theirs, remove it and download again", place)


def _tell(what: str, places: Sequence[PurePosixPath]) -> None:
    for place in places[:_SHOWN]:
        print(f"{what}: {place}")
    if len(places) > _SHOWN:
        print(f"{what}: {len(places) - _SHOWN} more")


def _tell_what_is_left(workspace: Workspace) -> None:
    lacking = [
        each for each in BY_HAND if not workspace.images(each.name).is_dir() or not workspace.annotations(each.name).is_file()
    ]
    if not lacking:
        print("nothing is left to download: the data sets of the paper are all known")
        return
    print("\nto download by hand, for what you want to do with it, and then to make known:")
    for each in lacking:
        print(f"  {each.name}: {each.what}, {each.page}\n      {each.command}")
    print("\nwhat is here, and what is missing: hodor doctor")


if __name__ == "__main__":
    run(main)
