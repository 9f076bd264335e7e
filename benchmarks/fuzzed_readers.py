"""What `fuzzing.py` feeds: for every reader of the package examples that it takes without complaint, and a call of it."""

import contextlib
import io
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hodor.cli import main as hodor
from hodor.errors import HodorError
from hodor.formats import run_length

HEIGHT, WIDTH = 10, 12


class Reader(NamedTuple):
    """What is fed, and with what.

    Attributes:
        examples: inputs that are read without complaint.
        read: takes an input.
    """

    examples: list[bytes]
    read: Callable[[bytes], object]


def readers(folder: Path) -> Iterator[tuple[str, Callable[[], Reader]]]:
    """All readers by their names; each is made when it is called. `folder` takes what they need."""
    path = folder / "input"

    def from_file(examples: Sequence[bytes], read: Callable[[Path], object], suffix: str = "") -> Reader:
        place = path.with_suffix(suffix)

        def write_and_read(content: bytes) -> None:
            place.write_bytes(content)
            read(place)

        return Reader(list(examples), write_and_read)

    yield "run_length_masks", lambda: Reader([each.encode() for each in _masks()], _read_mask)
    yield "inference_json", lambda: from_file(_inference_examples(), _read_inference)
    yield "training_json", lambda: from_file(_training_examples(), _read_training)
    yield "yaml", lambda: from_file(_yaml_examples(), _read_yaml, ".yaml")
    yield "checkpoints", lambda: from_file(_checkpoint_examples(folder), _read_checkpoint, ".pth")
    yield "palette_images", lambda: from_file(_image_examples(folder), _read_image, ".png")
    yield "videos", lambda: from_file(_video_examples(folder), _read_video, ".mkv")
    yield "descriptors", lambda: from_file(_descriptor_examples(folder), _read_descriptor, ".hodor")
    yield "archives", lambda: from_file(_archive_examples(), lambda place: _read_archive(place, folder), ".zip")
    yield "command_lines", lambda: Reader(_command_examples(), _read_command)
    yield "requests", lambda: _page(folder)


def _masks() -> list[str]:
    chance = np.random.default_rng(0)
    return [run_length.encode(chance.random((HEIGHT, WIDTH)) < share) for share in (0.02, 0.5, 0.98, 1)]


def _read_mask(content: bytes) -> None:
    mask = run_length.decode_at("somewhere", content.decode("utf-8", "surrogateescape"), HEIGHT, WIDTH)
    assert mask.shape == (HEIGHT, WIDTH) and mask.dtype == bool


def _inference_examples() -> list[bytes]:
    masks = _masks()
    sequence = {"id": "a", "image_paths": ["a/0.jpg", "a/1.jpg"], "segmentations": {"0": {"1": masks[0], "2": masks[1]}}}
    other = sequence | {"id": "b", "eval_files": ["0.jpg"]}
    return [json.dumps({"meta": {}, "sequences": each}).encode() for each in ([sequence], [sequence, other])]


def _read_inference(path: Path) -> None:
    from hodor.formats.inference_json import read_inference_json  # noqa: PLC0415

    for sequence in read_inference_json(path):
        for index in range(len(sequence.image_paths)):
            sequence.masks(index, HEIGHT, WIDTH)


def _training_examples() -> list[bytes]:
    size = {"height": HEIGHT, "width": WIDTH}
    images = [{"image_path": "0.jpg", **size, "segmentations": _masks()[:2], "areas": [3, 60], "iscrowd": [0, 0]}]
    track = {"1": {"seg": _masks()[1], "box": [0, 0, 9, 9]}}
    videos = [{"id": "a", **size, "image_paths": ["0.jpg", "1.jpg"], "tracks": [track, {}]}]
    return [json.dumps(each).encode() for each in ({"images": images}, {"sequences": videos})]


def _read_training(path: Path) -> None:
    from hodor.formats.training_json import read_training_json  # noqa: PLC0415

    with contextlib.suppress(HodorError):
        read_training_json(path, path.parent, "images")
    read_training_json(path, path.parent, "sequences")


def _yaml_examples() -> list[bytes]:
    configs = Path(__file__).parent.parent / "configs"
    return [(configs / name).read_bytes() for name in ("static.yaml", "default.yaml")]


def _read_yaml(path: Path) -> None:
    from hodor.config import load_config  # noqa: PLC0415

    load_config(path)


def _checkpoint_examples(folder: Path) -> list[bytes]:
    import safetensors.torch  # noqa: PLC0415
    import torch  # noqa: PLC0415

    weights = {"a.weight": torch.ones(3, 4), "b.bias": torch.zeros(2, dtype=torch.float16)}
    for name, options in (("zip.pth", {}), ("legacy.pth", {"_use_new_zipfile_serialization": False})):
        torch.save({"model": weights, "iterations": 3}, folder / name, **options)
    return [(folder / name).read_bytes() for name in ("zip.pth", "legacy.pth")] + [safetensors.torch.save(weights)]


def _read_checkpoint(path: Path) -> None:
    from hodor.checkpoints.checkpoint import read_weights  # noqa: PLC0415

    problem = None
    for place in (path, path.with_suffix(".safetensors")):
        with contextlib.suppress(FileExistsError):
            os.link(path, place)
        try:
            read_weights(place)
        except HodorError as error:
            problem = error
    if problem is not None:
        raise problem


def _image_examples(folder: Path) -> list[bytes]:
    from hodor.formats.label_maps import davis_palette, write_label_map  # noqa: PLC0415
    from hodor.media.images import write_image  # noqa: PLC0415

    labels = np.random.default_rng(0).integers(0, 4, (HEIGHT, WIDTH), np.uint8)
    write_label_map(folder / "labels.png", labels, davis_palette())
    for suffix in (".jpg", ".webp", ".tif", ".bmp", ".gif"):
        write_image(folder / f"picture{suffix}", np.repeat(labels[..., None] * 60, 3, 2))
    return [path.read_bytes() for path in sorted((*folder.glob("labels.png"), *folder.glob("picture.*")))]


def _read_image(path: Path) -> None:
    from hodor.formats.label_maps import read_label_map  # noqa: PLC0415
    from hodor.media.images import read_image  # noqa: PLC0415

    for read in (read_label_map, read_image, partial(read_image, upright=True)):
        with contextlib.suppress(HodorError):
            read(path)


def _video_examples(folder: Path) -> list[bytes]:
    from hodor.media.videos import write_video  # noqa: PLC0415

    frames = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), np.uint8)
    write_video(folder / "video.mp4", iter(frames))
    import av  # noqa: PLC0415

    with av.open(str(folder / "video.mp4")) as source, av.open(str(folder / "video.mkv"), "w") as to:
        stream = to.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                to.mux(packet)
    return [(folder / f"video{suffix}").read_bytes() for suffix in (".mp4", ".mkv")]


def _read_video(path: Path) -> None:
    from hodor.media.sources import Selection, open_source  # noqa: PLC0415

    for _ in open_source(str(path), Selection(end=50), max_pixels=1 << 20).frames():
        pass


def _descriptor_examples(folder: Path) -> list[bytes]:
    from hodor.formats.object_files import DescribedObject, write_object  # noqa: PLC0415

    described = DescribedObject("cat", "ab12", np.ones((2, 4), np.float32), np.ones((2, 3, 4), np.float32))
    write_object(folder / "cat.hodor", described)
    return [(folder / "cat.hodor").read_bytes()]


def _read_descriptor(path: Path) -> None:
    from hodor.formats.object_files import read_object  # noqa: PLC0415

    read_object(path)


def _archive_examples() -> list[bytes]:
    import zipfile  # noqa: PLC0415

    made = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            archive.writestr("x/checkpoints/a/1.pth", b"weights" * 20)
            archive.writestr("dataset_json_annotations/a.json", b"{}")
        made.append(buffer.getvalue())
    return made


def _read_archive(path: Path, folder: Path) -> None:
    from hodor.supplies.archive import FOLDERS, unpack  # noqa: PLC0415

    root = folder / "around" / "workspace"
    root.mkdir(parents=True, exist_ok=True)
    try:
        unpack(path, root)
    finally:
        assert {each.name for each in root.parent.iterdir()} == {"workspace"}, "written outside"
        assert {each.name for each in root.iterdir()} <= set(FOLDERS), "written outside"


def _command_examples() -> list[bytes]:
    programs = {
        "infer": "x.pth --dataset a --seqs b c --temporal_window 3 --min_image_dim 64 --output_dir o --precision bf16",
        "track": "v.mp4 --masks 0=m.png --box 1=0,0,9,9@3 --click 2=3,4 --colours red=1 --names 1=dog --start 1 --out o",
        "describe": "photo.jpg --box 0,0,9,9 --name cat --out cat.hodor", "app": "v.mp4 --port 8642 --folder f",
        "train": "--cfg static.yaml --model_dir m --cfg.TRAINING.BASE_LR 1e-3 --save_interval 3",
        "evaluate": "results --ground_truth truth --protocol davis --sequences a --num_workers 1 --output_dir o",
        "convert": "davis folder --name n --year 2017 --split val --frames copy", "download": "--url http://x/ --retries 2",
        "doctor": "--json", "split": "v.mp4 frames --max_pixels 9", "show": "--cfg static.yaml", "benchmark": "--only floor",
        "synthetic": "out --clips 2 --frames 3 --height 20 --width 20 --objects 1 --seed 4",
    }  # fmt: skip
    return [f"{name} {words}".replace(" ", "\n").encode() for name, words in programs.items()]


def _read_command(content: bytes) -> None:
    """The last word is one that no program knows, so that none does what it was told."""
    words = content.decode("utf-8", "surrogateescape").replace("\0", "0").split("\n")
    hodor([*words, "--no-such-option"])


@contextlib.contextmanager
def _warnings_silenced() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _page(folder: Path) -> Reader:
    """The server of the page with one session: a line with method and path, lines of headers, an empty one, the body."""
    from fastapi.testclient import TestClient  # noqa: PLC0415

    from hodor.app.records import Settings  # noqa: PLC0415
    from hodor.app.server import build  # noqa: PLC0415
    from hodor.app.store import SessionStore  # noqa: PLC0415

    root = folder / "sessions" / "root"
    root.mkdir(parents=True)
    store = SessionStore(root, Settings(checkpoint="compact"))
    client = TestClient(build(store, 80), base_url="http://127.0.0.1:80", headers={"host": "127.0.0.1:80"})
    kind = {"content-type": "application/octet-stream"}
    video = _video_examples(folder)[0]
    session = client.post("/api/sessions", params={"name": "a.mp4"}, content=video, headers=kind).json()["id"]
    at = f"/api/sessions/{session}"
    plain, raw = "content-type: application/json", f"content-type: {kind['content-type']}\nif-match: none"
    requests = [
        ("GET", at, plain, b""), ("PATCH", at, plain, b'{"title": "b"}'), ("GET", f"{at}/frames/1", plain, b""),
        ("POST", f"{at}/objects", plain, b'{"name": "cat"}'), ("GET", "/main.js", plain, b""), ("GET", "/../x", plain, b""),
        ("PUT", f"{at}/painted/0?width=16&height=16", raw, bytes(256)), ("GET", f"{at}/painted/0", plain, b""),
        ("POST", f"{at}/cut", plain, b'{"index": 0, "box": [1, 1, 9, 9]}'), ("POST", f"{at}/drawn/0", raw, bytes(99)),
        ("GET", f"{at}/take/masks", plain, b""), ("GET", f"{at}/confidences", plain, b""),
    ]  # fmt: skip
    examples = [f"{method} {path}\n{headers}\n\n".encode() + body for method, path, headers, body in requests]

    def read(content: bytes) -> None:
        head, _, body = content.partition(b"\n\n")
        (first, *rest) = head.decode("latin-1").split("\n")
        method, _, path = first.partition(" ")
        headers = dict(each.split(": ", 1) for each in rest if ": " in each)
        printable = all(each.isascii() and each.isprintable() for each in (method, path, *headers, *headers.values()))
        if not (method.isalpha() and printable and path.startswith("/")) or path.endswith("/run") or "/make/" in path:
            return  # the client can't send it, or the network would work
        with contextlib.suppress(ValueError), _warnings_silenced():  # errors of the client
            answer = client.request(method, path, headers=headers, content=body)
            assert answer.status_code < 500, answer.text
        assert [each.name for each in root.parent.iterdir()] == ["root"], "written outside"

    return Reader(examples, read)
