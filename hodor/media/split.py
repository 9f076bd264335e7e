"""The command line that turns a video file into frames: `hodor split VIDEO FRAMES_DIR`."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from hodor.errors import HodorError
from hodor.files import errors_naming, folder_written_aside
from hodor.media.images import MAX_PIXELS, write_image
from hodor.media.videos import read_video
from hodor.program import ArgumentParser, at_least_1, complain, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the frames; see `--help`."""
    parser = ArgumentParser(
        prog="python -m hodor.media.split",
        description="Writes the frames of a video as 00000.jpg, 00001.jpg, ... into a new folder. "
        "Of a video that is truncated or damaged, the frames that could be read are kept, with an error. "
        "Draw the masks of the objects in the first of them, then see hodor convert folder --help.",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="any file that FFmpeg reads")
    parser.add_argument("folder", type=Path, metavar="FRAMES_DIR", help="a folder that doesn't exist yet or is empty")
    limit = "how many a frame may have; more needs more memory (default: %(default)s)"
    parser.add_argument("--max_pixels", type=at_least_1, default=MAX_PIXELS, metavar="N", help=limit)
    options = parser.parse_args(arguments)
    folder: Path = options.folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HodorError(f"{folder}: exists and is not empty; name a new folder")
    count, complaint = 0, None
    with errors_naming(folder), folder_written_aside(folder) as aside:
        try:
            for image in tqdm(read_video(options.video, options.max_pixels), desc="reading", unit="frame", disable=None):
                write_image(aside / f"{count:05d}.jpg", image)
                count += 1
        except HodorError as error:
            if not count:
                raise
            complaint = str(error)
        if not count:
            raise HodorError(f"{options.video}: holds no frames")
    print(f"wrote {count} frames to {folder}")
    return 0 if complaint is None else complain(complaint)


if __name__ == "__main__":
    run(main)
