"""COCO's format, made small, through the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO

from hodor.convert.coco import encode_segmentation
from hodor.formats import run_length

HEIGHT, WIDTH = 48, 64
SQUARE = [[4, 4, 20, 4, 20, 20, 4, 20]]
SETTING = {"size": [HEIGHT, WIDTH]}


def draw_polygons(random: np.random.Generator, height: int, width: int) -> list[list[float]]:
    """One to three polygons of three to twelve corners, some outside of the image, some self-intersecting."""
    count = int(random.integers(1, 4))
    scale = np.array([width, height])
    return [
        (random.uniform(-0.2, 1.2, (int(random.integers(3, 13)), 2)) * scale).round(2).ravel().tolist() for _ in range(count)
    ]


def ring(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A mask with a hole."""
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[5:30, 8:40] = 1
    mask[12:20, 15:25] = 0
    return mask


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    """COCO's run lengths as a list."""
    counts, value = [0], 0
    for pixel in mask.ravel(order="F").tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


def annotation(number: int, image: int, segmentation: Any, **further: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": 3, "segmentation": segmentation, "iscrowd": 0, **further}


@pytest.fixture
def content() -> dict[str, Any]:
    """Five images, objects not in the order of images, one crowd, one empty object, one image with nothing left."""
    code = coco.encode(np.asfortranarray(ring()))
    return {
        "info": {"description": "für Tests"},
        "images": [
            {"id": number, "file_name": f"part{number % 2}/{number:03d}.jpg", "height": HEIGHT, "width": WIDTH}
            for number in (30, 10, 20, 40, 50)
        ],
        "annotations": [
            annotation(1, 10, SQUARE),
            annotation(2, 30, {**SETTING, "counts": code["counts"].decode()}, category_id=1),
            annotation(3, 10, uncompressed(ring()), category_id=1),
            annotation(4, 20, uncompressed(ring()), iscrowd=1),
            annotation(5, 30, [[1, 1, 2, 2], *SQUARE], ignore=0),
            annotation(6, 40, [[1, 1, 2, 2]]),
            annotation(7, 40, []),
            annotation(8, 10, SQUARE, ignore=1),
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "wörm"}],
    }


@pytest.fixture
def photographs(tmp_path: Path, content) -> Path:
    folder = tmp_path / "photographs"
    for image in content["images"]:
        path = folder / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (image["id"], 0, 0)).save(path)
    return folder


@pytest.fixture
def data(tmp_path: Path, photographs, content) -> Callable[[], tuple[Path, Path]]:
    """Writes the file of annotations; returns the folder of images and it."""

    def write() -> tuple[Path, Path]:
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return photographs, path

    return write


def result(workspace: Path, name: str = "coco_2017_train") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((workspace / "dataset_json_annotations" / f"{name}.json").read_text())
    return content


def test_all_kinds_of_segmentations(data, convert, workspace) -> None:
    for _ in range(2):
        done = convert("coco", *data())
        assert done.returncode == 0, done.stderr
    assert "2 images, 4 objects" in done.stderr
    assert "2 crowds, 2 objects without a pixel, 2 polygons of fewer than 3 corners, 3 images without objects" in done.stderr
    found = result(workspace)
    assert found["meta"] == {"category_labels": {"1": "person", "3": "wörm"}}
    assert [(image["id"], image["image_path"]) for image in found["images"]] == [(30, "part0/030.jpg"), (10, "part0/010.jpg")]
    first, second = found["images"]
    assert first["height"] == HEIGHT and first["width"] == WIDTH
    assert first["categories"] == [1, 3] and second["categories"] == [3, 1]
    assert first["segmentations"][0] == second["segmentations"][1] == run_length.encode(ring())
    assert first["areas"][0] == ring().sum() and first["bboxes"][0] == [8, 5, 32, 25]
    assert first["segmentations"][1] == second["segmentations"][0]
    images = workspace / "dataset_images" / "coco_2017_train"
    assert images.is_symlink() and (images / first["image_path"]).is_file()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")
@pytest.mark.parametrize("seed", range(8))
def test_polygons_are_drawn_as_pycocotools_draws_them(seed) -> None:
    random = np.random.default_rng(seed)
    drawer = COCO()
    for _ in range(50):
        height, width = (int(size) for size in random.integers(5, 90, 2))
        polygons = draw_polygons(random, height, width)
        drawer.imgs = {1: {"height": height, "width": width}}
        expected = drawer.annToMask({"image_id": 1, "segmentation": polygons})
        instance, degenerate = encode_segmentation(polygons, height, width)
        assert degenerate == 0
        if instance is None:
            assert not expected.any()
            continue
        assert np.array_equal(run_length.decode(instance["seg"], height, width), expected > 0)
        rows, columns = np.nonzero(expected)
        left, top = columns.min(), rows.min()
        assert instance["box"] == [left, top, columns.max() - left + 1, rows.max() - top + 1]
        assert instance["area"] == expected.sum()


def test_random_run_lengths_with_holes() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        height, width = (int(size) for size in random.integers(1, 40, 2))
        mask = (random.random((height, width)) < random.choice([0.05, 0.5, 1.0])).astype(np.uint8)
        compressed = {"size": [height, width], "counts": run_length.encode(mask)}
        for segmentation in (uncompressed(mask), compressed):
            instance, _ = encode_segmentation(segmentation, height, width)
            assert (instance["seg"] if instance else None) == (run_length.encode(mask) if mask.any() else None)


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        (None, "list of polygons or run lengths"),
        ("abc", "list of polygons or run lengths"),
        ([1, 2, 3, 4, 5, 6], "a polygon must be a list"),
        ([[1, 2, 3, 4, 5, 6, 7]], "pairs"),
        ([[1, 2, 3, 4, 5, "6"]], "must be numbers"),
        ([[1, 2, 3, 4, 5, float("nan")]], "far outside"),
        ([[1, 2, 3, 4, 5, 1e9]], "far outside"),
        ({**SETTING, "counts": "\x00\x01"}, "not a run-length string"),
        ({**SETTING, "counts": "5"}, "the runs cover 5 pixels"),
        ({**SETTING, "counts": [5, 5]}, "cover 10 pixels"),
        ({**SETTING, "counts": [-5, 5]}, "run lengths"),
        ({**SETTING, "counts": None}, "'counts'"),
        ({"counts": [HEIGHT * WIDTH]}, "size"),
        ({"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]}, "size"),
    ],
)
def test_bad_segmentations_name_the_annotation(data, content, fails, segmentation, expected) -> None:
    content["annotations"][2]["segmentation"] = segmentation
    message = fails("coco", *data())
    assert expected in message and "annotation 3 of image 10" in message and "'segmentation'" in message


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (("annotations", 1, {"image_id": 99}), "belong to no image in it; the first names image_id 99"),
        (("annotations", 1, {"image_id": "30"}), "annotations[1], key 'image_id'"),
        (("annotations", 1, {"category_id": None}), "key 'category_id'"),
        (("images", 0, {"id": 10}), "image id 10 stands in it twice"),
        (("images", 0, {"id": 1.5}), "images[0], key 'id'"),
        (("images", 0, {"file_name": "../secret.jpg"}), "'../secret.jpg'"),
        (("images", 0, {"file_name": 7}), "image 30, key 'file_name'"),
        (("images", 0, {"height": WIDTH, "width": HEIGHT}), "the image is 64x48, but"),
        (("images", 0, {"height": -1}), "'height' and 'width'"),
        (("images", 0, {"file_name": "gone.jpg"}), "gone.jpg: no such file; 1 of 3 images"),
    ],
)
def test_bad_entries_are_named(data, content, fails, entry, expected) -> None:
    key, index, change = entry
    content[key][index].update(change)
    assert expected in fails("coco", *data())


def test_bad_files_of_annotations(data, content, fails, tmp_path) -> None:
    photographs, path = data()
    assert "nothing.json: no such file" in fails("coco", photographs, tmp_path / "nothing.json")
    assert "nothing: no such folder" in fails("coco", tmp_path / "nothing", path)
    path.write_bytes(path.read_bytes()[:-300])
    assert "not valid JSON at byte" in fails("coco", photographs, path)
    for text, expected in (
        ("[]", "JSON object"),
        ("{}", "'images'"),
        ('{"images": [1], "annotations": []}', "images[0]: expected an object with the key 'id'"),
        ('{"categories": [5]}', "categories[0]: expected an object with the key 'id'"),
    ):
        path.write_text(text)
        assert expected in fails("coco", photographs, path)
    content["annotations"] = []
    assert "'annotations'" in fails("coco", *data())
    content["annotations"] = [annotation(1, 10, SQUARE, iscrowd=1)]
    assert "nothing in it shows an object" in fails("coco", *data())


def test_missing_images_are_left_out_when_asked_for(photographs, data, convert, workspace) -> None:
    (photographs / "part0" / "030.jpg").write_bytes(b"broken")
    done = convert("coco", *data(), "--skip_missing", "--name", "mine")
    assert done.returncode == 0, done.stderr
    assert "1 of 3 images with objects are left out" in done.stderr and "030.jpg" in done.stderr
    assert [image["id"] for image in result(workspace, "mine")["images"]] == [10]


def test_errors_are_one_line_and_leave_nothing(photographs, data, convert, workspace) -> None:
    (photographs / "part0" / "030.jpg").unlink()
    (photographs / "part0" / "010.jpg").unlink()
    done = convert("coco", *data())
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ") and "030.jpg" in done.stderr and "2 of 3 images" in done.stderr
    assert list(workspace.iterdir()) == []


def test_copies_stay_and_are_compared(data, convert, fails, workspace) -> None:
    for _ in range(2):
        assert convert("coco", *data(), "--frames", "copy", "--name", "mine").returncode == 0
    copied = workspace / "dataset_images" / "mine"
    assert sorted(path.relative_to(copied).as_posix() for path in copied.rglob("*.jpg")) == ["part0/010.jpg", "part0/030.jpg"]
    (copied / "part0" / "010.jpg").write_text("precious")
    assert "exists already with other files" in fails("coco", *data(), "--name", "mine")


def test_other_data_in_the_way(data, convert, fails, workspace, tmp_path) -> None:
    assert convert("coco", *data(), "--name", "linked").returncode == 0
    photographs, path = data()
    other = tmp_path / "elsewhere"
    photographs.rename(other)
    assert "is a link to" in fails("coco", other, path, "--name", "linked")
    for name in ("davis_train", "davis_val", "youtube_vos_2019_val", "../x"):
        assert "--name" in fails("coco", other, path, "--name", name)
    (workspace / "dataset_json_annotations" / "videos.json").write_text('{"meta": {}, "sequences": [{"segmentations": {}}]}')
    assert "holds videos for inference already" in fails("coco", other, path, "--name", "videos")


def peak_memory(photographs: Path, path: Path, workspace: Path) -> int:
    """The peak of a conversion's resident memory in KiB: of its own, not of the process that it was forked from."""
    program = (
        "import re, sys; from pathlib import Path; from hodor.convert.__main__ import main; main(sys.argv[1:]); "
        "print(re.search('VmHWM:[^0-9]*([0-9]+)', Path('/proc/self/status').read_text())[1])"
    )
    command = [sys.executable, "-c", program, "coco", str(photographs), str(path), "--name", path.stem]
    environment = {**os.environ, "HODOR_WORKSPACE_DIR": str(workspace)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux' /proc")
def test_memory_does_not_grow_with_the_file(photographs, tmp_path, workspace) -> None:
    peaks, sizes = [], []
    for name, count in (("small", 20), ("large", 4000)):
        path = tmp_path / f"{name}.json"
        with path.open("w") as file:
            image = {"id": 1, "file_name": "part0/010.jpg", "height": HEIGHT, "width": WIDTH}
            images = ", ".join(json.dumps({**image, "id": 1 + number}) for number in range(count // 10))
            file.write(f'{{"images": [{images}], "annotations": [')
            for number in range(count):
                text = json.dumps(annotation(number, 1 + number % (count // 10), SQUARE, note="x" * 10_000))
                file.write((", " if number else "") + text)
            file.write("]}")
        sizes.append(path.stat().st_size)
        peaks.append(peak_memory(photographs, path, workspace))
    assert sizes[1] > 40_000_000 and sizes[1] > 100 * sizes[0]
    assert peaks[1] < 1.25 * peaks[0], f"{peaks} KiB"
