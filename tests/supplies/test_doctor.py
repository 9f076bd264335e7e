"""`hodor doctor`: what it says of workspaces in all states."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.small import make_workspace, write_small_checkpoint

from hodor.checkpoints.checkpoint import save_checkpoint
from hodor.supplies import checks
from hodor.supplies.data_sets import BY_HAND
from hodor.supplies.doctor import _NEEDED
from hodor.workspace import Workspace

ROOT = Path(__file__).parent.parent.parent
COMMANDS = {each.name: each.command for each in BY_HAND}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A workspace with videos and a checkpoint; don't change it."""
    root = make_workspace(tmp_path_factory.mktemp("whole"), {"bear": 2})
    (root / "checkpoints/static").mkdir(parents=True)
    write_small_checkpoint(root / "checkpoints/static")
    return root


def copy(whole, tmp_path):
    for path in whole.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(whole)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(whole)).write_bytes(path.read_bytes())
    return tmp_path


def doctor(root, *arguments):
    environment = {**os.environ, "HODOR_WORKSPACE_DIR": str(root)}
    command = [sys.executable, "-m", "hodor", "doctor", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def of(findings, name):
    (finding,) = [each for each in findings if each.name == name]
    return finding


def data_set(root, name):
    return of(checks.data_sets(Workspace(root)), name)


def checkpoint(root, name="checkpoints/static"):
    return of(checks.weight_files(Workspace(root)), name)


def test_nothing_is_broken_in_a_workspace_that_lacks_only_what_some_programs_need(whole):
    finished = doctor(whole)
    assert finished.returncode == 0 and not finished.stderr, finished.stdout
    lines = [line.split(maxsplit=2) for line in finished.stdout.splitlines()]
    states = {name.split(":")[0]: state for state, name, *_ in (line for line in lines if len(line) == 3)}
    assert states["davis_val"] == states["checkpoints/static"] == states["torch"] == states["disk"] == "ok"
    assert states["coco_2017_train"] == states["swin_tiny_pretrained"] == "missing"
    assert f"then: {COMMANDS['coco_2017_train']}" in finished.stdout


def test_what_is_broken_is_said_and_the_exit_code_is_1_also_as_json(whole, tmp_path):
    root = copy(whole, tmp_path)
    (root / "checkpoints/static/config.yaml").unlink()
    finished = doctor(root, "--json")
    assert finished.returncode == 1 and not finished.stderr
    findings = json.loads(finished.stdout)
    assert all(list(each) == ["group", "name", "state", "detail", "mend"] for each in findings)
    broken = [each for each in findings if each["state"] == "broken"]
    assert [each["name"] for each in broken] == ["checkpoints/static"] and "config.yaml" in broken[0]["mend"]
    assert {each["name"] for each in findings} >= {"processor", "memory", "disk", "GPU", "python", "folder", "shipped"}


def test_a_workspace_that_is_none_is_broken_and_is_not_made(tmp_path):
    code = """
import sys
from hodor.supplies import doctor
expected = doctor.Workspace.expected()
findings = [*doctor._workspace(expected), *doctor._versions(), *doctor._optional()]
findings += [*doctor.data_sets(expected), *doctor.weight_files(expected)]
assert not {"torch", "cv2", "av"} & set(sys.modules), "it must answer where these don't start"
print(findings[0].state, [each.name for each in findings[1:] if each.state == "broken"])
"""
    for variable, state in (("HODOR_WORKSPACE_DIR", "broken"), ("XDG_DATA_HOME", "missing")):
        environment = {name: value for name, value in os.environ.items() if name != "HODOR_WORKSPACE_DIR"}
        environment |= {variable: str(tmp_path / "nowhere")}
        finished = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        assert finished.stdout == f"{state} []\n"
    assert not list(tmp_path.iterdir())


def test_the_versions_are_those_of_the_requirements():
    wanted = {f"{name}>={least}" if least else name for name, least in _NEEDED.items()}
    assert wanted == {line.split("<")[0].rstrip(",") for line in (ROOT / "requirements.txt").read_text().split()}


def test_data_sets(whole, tmp_path):
    assert data_set(whole, "davis_val").state == "ok" and data_set(whole, "davis_train").state == "missing"
    root = copy(whole, tmp_path)
    image = root / "dataset_images/davis_trainval/bear/00000.jpg"
    image.unlink()
    found = data_set(root, "davis_val")
    assert found.state == "broken" and str(image) in found.detail and found.mend == COMMANDS["davis_val"]
    image.symlink_to(root / "gone")
    assert data_set(root, "davis_val").state == "broken"
    (root / "dataset_images").rename(root / "elsewhere")
    found = data_set(root, "davis_val")
    assert (
        found.state == "missing" and found.mend.endswith(COMMANDS["davis_val"]) and "https://davischallenge.org" in found.mend
    )


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"sequences": [',
        '{"sequences": []}',
        "[1]",
        "{}",
        '{"sequences": [{"image_paths": []}]}',
        '{"sequences": [{"image_paths": [5]}]}',
        '{"sequences": [{"image_paths": ["../../secret"]}]}',
        '{"images": [{"image_path": null}]}',
        '{"images": [5]}',
        "\x00\x01}",
    ],
)
def test_json_that_is_no_data_set(whole, tmp_path, content):
    root = copy(whole, tmp_path)
    path = root / "dataset_json_annotations/mine.json"
    path.write_text(content)
    found = data_set(root, "mine")
    assert found.state == "broken" and str(path) in found.detail and "--name mine" in found.mend
    assert data_set(root, "davis_val").state == "ok"


@pytest.mark.parametrize("keep", [-1, -4])
def test_a_cut_json_is_broken_although_its_beginning_is_whole(whole, tmp_path, keep):
    root = copy(whole, tmp_path)
    path = root / "dataset_json_annotations/davis_val.json"
    content = path.read_bytes() + b"\n"
    path.write_bytes(content)
    assert data_set(root, "davis_val").state == "ok"
    path.write_bytes(content.rstrip()[:keep])
    assert data_set(root, "davis_val").state == "broken"


def test_checkpoints(whole, tmp_path, small_safetensors):
    root = copy(whole, tmp_path)
    assert checkpoint(root).state == "ok"
    (root / "checkpoints/static/config.yaml").write_text("MODEL: {NUM_ATTN_HEADS: many}\n")
    assert "NUM_ATTN_HEADS" in (found := checkpoint(root)).detail and found.state == "broken"
    (root / "checkpoints/ours").mkdir()
    (root / "checkpoints/ours/best.safetensors").write_bytes(small_safetensors)
    assert checkpoint(root, "checkpoints/ours").state == "ok"
    (root / "checkpoints/ours/best.safetensors").write_bytes(small_safetensors[:-1])
    assert checkpoint(root, "checkpoints/ours").state == "broken"


@pytest.mark.parametrize("keep", [0, 1, 5000, -1])
def test_checkpoints_that_are_cut_off(whole, tmp_path, keep):
    root = copy(whole, tmp_path)
    path = root / "checkpoints/static/000001.pth"
    path.write_bytes(path.read_bytes()[:keep])
    found = checkpoint(root)
    assert found.state == "broken" and str(path) in found.detail and str(path) in found.mend


def test_the_command_that_mends_is_one_whatever_the_names(whole, tmp_path):
    root = copy(whole, tmp_path)
    name = "it's; $(touch evil)"
    path = root / "checkpoints" / name / "1.pth"
    path.parent.mkdir()
    path.write_bytes(b"<html>")
    command = checkpoint(root, f"checkpoints/{name}").mend.partition(", and get")[0]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert not path.exists() and not (tmp_path / "evil").exists()


def test_no_damaged_byte_of_a_checkpoint_stops_the_doctor(whole, tmp_path):
    root = copy(whole, tmp_path)
    (root / "checkpoints/static/000001.pth").write_bytes(b"\x80")
    path = root / "checkpoints/static/000002.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/\u00e4", b"x")
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        found = checkpoint(root)
        assert found.state == "ok" or (found.state == "broken" and str(path) in found.detail)


def test_the_pretrained_backbone(whole, tmp_path):
    root = copy(whole, tmp_path)
    path = root / "pretrained_backbones/swin_tiny_pretrained.pth"
    path.parent.mkdir()
    path.write_bytes((whole / "checkpoints/static/000001.pth").read_bytes())
    assert checkpoint(root, "swin_tiny_pretrained").state == "ok"
    path.write_bytes(b"<html>")
    assert checkpoint(root, "swin_tiny_pretrained").state == "broken"


@pytest.fixture(scope="module")
def small_safetensors(tmp_path_factory):
    from support.small import small_checkpoint  # noqa: PLC0415

    path = tmp_path_factory.mktemp("ours") / "best.safetensors"
    save_checkpoint(path, small_checkpoint())
    return path.read_bytes()
