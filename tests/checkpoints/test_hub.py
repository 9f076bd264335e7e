"""Checkpoints on a hub: the real library against a server on this machine that speaks its protocol, or misbehaves."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from hub_server import TOKEN, serving_hub
from support.small import TINY, make_workspace, small_checkpoint

import hodor
from hodor import HodorError
from hodor.checkpoints import hub as hub_module
from hodor.checkpoints.checkpoint import save_checkpoint
from hodor.checkpoints.weights import locate_existing
from hodor.config import load_config, to_yaml

ROOT = Path(__file__).parent.parent.parent
NAME = "hf://lab/small"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty hub, which the library in this process takes for the only one; its cache is empty."""
    constants = huggingface_hub.constants
    with serving_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What a repository holds."""
    path = tmp_path_factory.mktemp("files") / "model.safetensors"
    save_checkpoint(path, small_checkpoint(0, TINY))
    return {"model.safetensors": path.read_bytes(), "config.yaml": to_yaml(TINY).encode()}


def refused(name=NAME):
    """The one line that a name is refused with."""
    with pytest.raises(HodorError) as caught:
        hodor.load(name)
    message = str(caught.value)
    assert message.startswith(str(name)) and "\n" not in message and len(message) < 600
    return message


def equal(one, other):
    ours, others = one.model.state_dict(), other.model.state_dict()
    return ours.keys() == others.keys() and all(torch.equal(ours[name], others[name]) for name in ours)


def test_a_checkpoint_goes_there_and_comes_back_bit_for_bit(hub):
    checkpoint = small_checkpoint(0, TINY)
    address = hodor.push_to_hub(checkpoint, NAME, message="first")
    assert address.startswith(f"{hub.url}/lab/small/commit/")
    commit, files = hub.repositories["lab/small"].find("main")
    assert commit in address and set(files) == {".gitattributes", "model.safetensors", "config.yaml", "README.md"}
    assert files["config.yaml"].decode() == to_yaml(TINY)
    card = files["README.md"].decode()
    assert NAME in card and "library_name: hodor" in card and str(checkpoint) in card
    loaded = hodor.load(NAME)
    assert equal(loaded, checkpoint) and loaded.config == TINY and loaded.name == "lab/small"
    segmenter = hodor.Segmenter.from_pretrained(NAME, temporal_window=2)
    assert segmenter.state_dict()["temporal_window"] == 2 and segmenter.state_dict()["sizes"] == (64, 128)


def test_a_card_that_is_there_stays_and_a_branch_is_another_thing(hub):
    hub.put("lab/small", {"README.md": b"my own words"})
    hodor.push_to_hub(small_checkpoint(1, TINY), NAME)
    hodor.push_to_hub(small_checkpoint(2, TINY), NAME + "@trial", half=True)
    known = hub.repositories["lab/small"]
    assert known.find("main")[1]["README.md"] == known.find("trial")[1]["README.md"] == b"my own words"
    assert len(known.find("trial")[1]["model.safetensors"]) < 0.6 * len(known.find("main")[1]["model.safetensors"])
    assert equal(hodor.load(NAME), small_checkpoint(1, TINY)) and not equal(
        hodor.load(NAME + "@trial"), small_checkpoint(1, TINY)
    )
    assert equal(hodor.load(f"{NAME}@{known.branches['main']}"), small_checkpoint(1, TINY))


def test_what_came_once_serves_without_a_connection_and_weights_and_configuration_are_of_one_commit(hub, files):
    first = hub.put("lab/small", files)
    path = locate_existing(NAME)
    assert path.parent.name == first and path.with_name("config.yaml").read_bytes() == files["config.yaml"]
    assert f"GET /lab/small/resolve/{first}/model.safetensors" in hub.asked
    hub.status = 503
    assert locate_existing(NAME) == path and locate_existing(Path(NAME)) == path


def test_no_pickle_is_ever_asked_for(hub, files):
    bad = pickle.dumps({"model": {}})
    hub.put("lab/small", {"model.pth": bad, "pytorch_model.bin": bad, "config.yaml": files["config.yaml"]})
    assert "has no model.safetensors" in refused()
    asked = {line.rpartition("/")[2] for line in hub.asked if "/resolve/" in line}
    assert asked == {"model.safetensors", "config.yaml"}
    hub.put("lab/small", {"model.safetensors": bad})
    assert "model.safetensors is truncated or no safetensors file" in refused()


def test_what_a_repository_lacks_is_said_in_one_line(hub, files):
    assert "no such repository, or one that you have no right to" in refused()
    hub.put("lab/small", {"model.safetensors": files["model.safetensors"]})
    assert "has no config.yaml" in refused()
    hub.put("lab/small", files)
    assert "the repository has no revision 'v9'" in refused(NAME + "@v9")
    hub.repositories["lab/small"].private = True
    hodor.load(NAME)
    with pytest.MonkeyPatch.context() as without:
        without.delenv("HF_TOKEN")
        without.setattr(huggingface_hub.constants, "HF_HUB_CACHE", os.devnull + "/none")
        assert "hf auth login" in refused()


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "", "no such repository, or one that you have no right to"),
        (404, "RepoNotFound", "no such repository"),
        (403, "GatedRepo", "its owner wants to be asked"),
        (418, "", "can't be reached"),
    ],
)
def test_answers_that_refuse(hub, status, code, said):
    hub.status, hub.code = status, code
    assert said in refused()


def test_a_server_that_breaks_off_lies_about_sizes_or_sends_a_web_page(hub, files, tmp_path):
    hub.put("lab/small", files)
    hub.lost = {"model.safetensors": [10] * 6}  # which is as often as the library tries
    assert "broke off" in refused()
    assert not hub.lost["model.safetensors"]
    hub.lengths = {"model.safetensors": len(files["model.safetensors"]) + 1}
    assert "should be of size" in refused()
    hub.lost, hub.lengths = {"model.safetensors": [10, 5000]}, {}
    assert equal(hodor.load(NAME), small_checkpoint(0, TINY))
    assert not list((tmp_path / "cache").rglob("*.incomplete"))
    hub.web_page = True
    assert "can't be reached" in refused(NAME + "@other")


def test_weights_and_configuration_that_do_not_belong_together(hub, files):
    other = files["config.yaml"].replace(b"WIDTH: 32", b"WIDTH: 64")
    assert other != files["config.yaml"]
    hub.put("lab/small", files | {"config.yaml": other})
    assert "config.yaml is not the configuration within model.safetensors" in refused()
    hub.put("lab/small", {"config.yaml": b"MODEL: [", "model.safetensors": files["model.safetensors"]})
    assert "config.yaml: not valid YAML" in refused()


def test_weights_of_wrong_sizes(hub, files, tmp_path):
    wrong = small_checkpoint(0, TINY)
    wrong.config = load_config(_written(tmp_path / "wide.yaml", to_yaml(TINY).replace("WIDTH: 32", "WIDTH: 64")))
    save_checkpoint(tmp_path / "wrong.safetensors", wrong)
    content = {
        "model.safetensors": (tmp_path / "wrong.safetensors").read_bytes(),
        "config.yaml": to_yaml(wrong.config).encode(),
    }
    hub.put("lab/small", content)
    with pytest.raises(HodorError, match=r"the weights can't be used with this configuration; wrong shapes: \S+ is \[32"):
        hodor.load(NAME)


def _written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["hf://small", "hf://lab/small/more", "hf://lab/..", "hf://lab/a b", "hf://lab/small@../../x"])
def test_names_that_are_none(name):
    assert "no name of a checkpoint on a hub" in refused(name)
    with pytest.raises(HodorError, match="no name of a checkpoint on a hub"):
        hodor.push_to_hub("compact", name)


@pytest.mark.parametrize("name", ["hf://lab/my--weights", "hf://lab/weights.", "hf://lab/" + "a" * 97])
def test_names_that_no_hub_has(hub, name):
    assert "is no name that a hub has" in refused(name)


@pytest.mark.parametrize("is_private", [False, True])
def test_a_repository_is_seen_by_whom_its_owner_has_it_by_default(hub, is_private):
    hub.is_private_by_default = is_private
    hodor.push_to_hub(small_checkpoint(0, TINY), NAME)
    assert hub.repositories["lab/small"].private == is_private


def test_pushing_that_is_refused_leaves_nothing_half_written(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    with pytest.raises(HodorError, match=r"^hf://lab/small: no such repository, or one that you have no right to") as caught:
        hodor.push_to_hub(small_checkpoint(0, TINY), NAME)
    assert "\n" not in str(caught.value) and not hub.repositories


def test_without_the_library_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'hodor[hub]'" in refused()


def test_programs_take_names_of_a_hub(hub, tmp_path):
    workspace = make_workspace(tmp_path / "workspace", {"bear": 2})
    save_checkpoint(tmp_path / "source.safetensors", small_checkpoint(0, TINY))
    environment = os.environ | {
        "HODOR_WORKSPACE_DIR": str(workspace),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "OMP_NUM_THREADS": "1",
    }

    def hodor_program(*arguments):
        command = [sys.executable, "-m", "hodor", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)

    pushed = hodor_program("push", tmp_path / "source.safetensors", NAME, "--private")
    assert pushed.returncode == 0 and re.fullmatch(rf"{hub.url}/lab/small/commit/\w+\n", pushed.stdout), pushed.stderr
    assert hub.repositories["lab/small"].private
    inferred = hodor_program("infer", NAME, "--dataset", "davis_val")
    assert inferred.returncode == 0, inferred.stderr
    assert len(list((workspace / "checkpoints/lab/small/davis_val_inference/results").rglob("*.png"))) == 2
    missing = hodor_program("infer", "hf://lab/nothing", "--dataset", "davis_val")
    assert missing.returncode == 1 and missing.stderr.splitlines()[-1].startswith("error: hf://lab/nothing: no such repository")
    assert "Traceback" not in missing.stderr and missing.stderr.count("error:") == 1


def test_names_are_those_of_a_hub_only_with_its_scheme(tmp_path):
    assert hub_module.parse_hub_name("hf://a/b@refs/pr/1") == ("a/b", "refs/pr/1")
    assert not hub_module.is_hub_name("a/b") and not hub_module.is_hub_name("hf:///a/b")
