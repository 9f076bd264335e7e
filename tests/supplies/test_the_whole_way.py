"""From nothing to scores with the authors' archive: download, convert, infer and evaluate, each a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from archive_server import Answer, serving, zipped
from support.small import make_workspace, write_small_checkpoint

ROOT = Path(__file__).parent.parent.parent


def hodor(workspace: Path, *arguments: object) -> str:
    environment = {**os.environ, "HODOR_WORKSPACE_DIR": str(workspace)}
    command = [sys.executable, "-m", "hodor", *map(str, arguments)]
    finished = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def archive(folder: Path) -> bytes:
    """A miniature of the authors' archive: annotations of other videos, a pretrained backbone, a checkpoint with its config."""
    make_workspace(folder, {"bear": 1})
    for name in ("checkpoints/static", "pretrained_backbones"):
        (folder / name).mkdir(parents=True)
    checkpoint = write_small_checkpoint(folder / "checkpoints/static")
    (folder / "pretrained_backbones/swin_tiny_pretrained.pth").write_bytes(checkpoint.read_bytes())
    files = [path for path in folder.rglob("*") if path.is_file() and "dataset_images" not in path.parts]
    return zipped({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def test_download_convert_infer_evaluate(tmp_path):
    workspace, toys = tmp_path / "workspace", tmp_path / "DAVIS"
    workspace.mkdir()
    content = archive(tmp_path / "authors")
    with serving(Answer(content, cut=len(content) // 2), Answer(content)) as server:
        said = hodor(workspace, "download", "--url", server.url)
    assert len(server.ranges) == 2 and "hodor convert davis ~/DAVIS --split val" in said
    hodor(workspace, "synthetic", toys, "--clips", 2, "--frames", 3, "--height", 48, "--width", 80, "--objects", 2)
    hodor(workspace, "convert", "davis", toys, "--split", "val")
    hodor(workspace, "infer", "static/000001.pth", "--dataset", "davis_val", "--temporal_window", 7, "--min_image_dim", 64)
    results = workspace / "checkpoints/static/davis_val_inference/results"
    assert sorted(path.parent.name for path in results.rglob("*.png")) == ["clip_00000"] * 3 + ["clip_00001"] * 3
    hodor(workspace, "evaluate", results, "--ground_truth", toys / "Annotations/480p", "--json", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert 0 <= scores["J&F"] <= 1 and len(scores["objects"]) == 4
