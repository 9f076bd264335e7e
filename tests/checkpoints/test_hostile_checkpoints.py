"""Checkpoints that try to crash the reader, to fill the memory, or to have something made: all in vain."""

import dataclasses
import io
import os
import pickle
import resource
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.checkpoints import complaint, write_original
from support.goldens import STATIC_RECIPE

import hodor
from hodor import Checkpoint, HodorError
from hodor.checkpoints.checkpoint import load_strictly
from hodor.checkpoints.pickles import Inert, read_pickle
from hodor.checkpoints.safe_loading import read_content
from hodor.checkpoints.weights import FOLDER, locate_existing
from hodor.config import to_yaml

MEMORY = 4 << 30
PROGRAM = """
import resource, sys, hodor
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
try:
    hodor.load(sys.argv[1])
except hodor.HodorError as error:
    sys.exit(f"error: {{error}}")
"""


class ForgedType:
    """Pickles as NumPy's dtype with a state of our choice."""

    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return np.dtype, ("V8", False, True), self.state


def forged_array(state):
    class Array:
        def __reduce__(self):
            maker, arguments, (version, shape, _, order, _) = np.zeros(1).__reduce__()
            return maker, arguments, (version, shape, ForgedType(state), order, b"\x41" * 8)

    return Array()


def zipped(path, pickled, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(16))


LONG_NAME = b"(" + pickle.dumps("numpy.dtypes", 2)[2:-1] + b"X\x00\x12\x7a\x00" + b"a" * 8_000_000 + b"q\x01"
LARGE_SIZE = b"(\x8b\x80\x84\x1e\x00" + b"\x01" * 2_000_000 + b"q\x07" + b"h\x07" * 500_000 + b"t"


def claims(count, *, size=None, key=b"0"):
    """A pickle of {"model": {"a": a tensor [size] in a storage of `count` numbers}}."""

    def number(value):
        return pickle.dumps(value, 2)[2:-1]

    storage = b"(U\x07storagectorch\nFloatStorage\nU\x01" + key + b"U\x03cpu" + number(count) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"".join(map(number, (0, (size or count,), (1,), False, {})))
    return b"\x80\x02}U\x05model}U\x01a" + tensor + b"tRss."


def compressed_bomb(path):
    zipped(path, b"\x80\x02" + b"]" * (1 << 28) + b".", zipfile.ZIP_DEFLATED)


def many_operations(path):
    zipped(path, b"\x80\x02" + b"]" * 3_000_000 + b".")


def legacy(content):
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}))
    return lambda path: path.write_bytes(head + content + pickle.dumps(["0"], 2))


HOSTILE = {
    "crash": lambda path: torch.save({"n": forged_array((3, "|", None, ("f0",), {"f0": (1,)}, 2**40, 1, 0))}, path),
    "fields": lambda path: torch.save({"x": forged_array((3, "|", None, None, None, 8, 8, 63))}, path),
    "bomb": compressed_bomb,
    "operations": many_operations,
    "claim": legacy(claims(10**11)),
    "beyond the storage": lambda path: zipped(path, claims(4, size=10**11)),
    "a long name, many times": lambda path: zipped(path, b"\x80\x02" + LONG_NAME + b"h\x00h\x01\x93" * 3000 + b"t."),
    "a size without end": lambda path: zipped(path, claims(4).replace(b"K\x04\x85", LARGE_SIZE, 1)),
    "memo": lambda path: zipped(path, b"\x80\x02Nr\xff\xff\xff\xff."),
    "bytearray": lambda path: zipped(path, b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x10\x85R."),
    "deep key": lambda path: zipped(path, b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns."),
    "shared lists": lambda path: zipped(path, b"\x80\x02]q\x00" + b"(h\x00h\x00l" * 10 + b"h\x00\x93."),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_end_in_one_line(case, tmp_path):
    path = write_original(tmp_path, {}, STATIC_RECIPE)
    HOSTILE[case](path)
    program = PROGRAM.format(memory=MEMORY)
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, (done.returncode, done.stderr[-500:])
    assert done.stderr.startswith(f"error: {path}: ")


def test_numpy_makes_nothing(tmp_path):
    torch.save(
        {"a": np.float64(1), "b": np.arange(3), "c": np.dtype("f4"), "d": {"e": torch.ones(2), 3: (1, [2.5])}}, tmp_path / "a"
    )
    content = read_content(tmp_path / "a")
    assert all(isinstance(content[key], Inert) for key in "abc")
    assert torch.equal(content["d"]["e"], torch.ones(2)) and content["d"][3] == (1, [2.5])


@pytest.mark.parametrize("new", [True, False])
def test_tensors_are_those_that_torch_reads(new, tmp_path):
    base = torch.arange(24.0).view(4, 6)
    content = {
        **{"whole": base, "part": base[1:, 2:4], "turned": base.t(), "one": base[0, 0], "none": torch.ones(0, 3)},
        **{"half": base.half(), "bfloat": base.bfloat16(), "whole numbers": torch.arange(3), "bool": base > 3},
        "parameter": torch.nn.Parameter(base),
    }
    torch.save(content, tmp_path / "a", _use_new_zipfile_serialization=new)
    found = read_content(tmp_path / "a")
    assert found.keys() == content.keys()
    for name, value in content.items():
        assert found[name].dtype == value.dtype and found[name].stride() == value.stride() and torch.equal(found[name], value)
    assert found["part"].untyped_storage().data_ptr() == found["whole"].untyped_storage().data_ptr()


def test_a_damaged_weight_is_noticed(tmp_path):
    path = write_original(tmp_path, {"feature_extractor.bb_fpn.0": torch.full((1000,), 7.0)}, STATIC_RECIPE)
    content = path.read_bytes()
    damaged = content.replace(np.float32(7).tobytes() * 3, np.float32([7, 8, 7]).tobytes(), 1)
    assert damaged != content
    path.write_bytes(damaged)
    assert "truncated or not a checkpoint" in complaint(path)


@pytest.mark.parametrize(
    "name", ["posix.system", "torch.load", "torch.hub.load", "numpy.load", "builtins.eval", "torch._dynamo"]
)
def test_whatever_is_not_known_to_be_harmless_is_refused(name):
    module, _, function = name.rpartition(".")
    with pytest.raises(HodorError, match=f"wants to run {name}"):
        read_pickle(io.BytesIO(f"c{module}\n{function}\n.".encode()))


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.complex64, torch.bool, torch.int64])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_of_another_type_are_named(kind, suffix, small, tmp_path):
    state = small.model.state_dict() | {"encoder.object_embedding": torch.ones(32).to(kind)}
    path = tmp_path / f"a{suffix}"
    if suffix == ".pth":
        torch.save({"model": state}, path)
        (tmp_path / "config.yaml").write_text(to_yaml(small.config))
    else:
        save_file({name: value.contiguous() for name, value in state.items()}, path, {"config": to_yaml(small.config)})
    assert "encoder.object_embedding" in complaint(path)


def test_whole_numbers_are_weights_where_the_model_has_them():
    model = torch.nn.BatchNorm1d(3)
    state = model.state_dict()
    load_strictly(model, state, "here")
    with pytest.raises(HodorError, match=r"num_batches_tracked is torch\.float32 instead of torch\.int64"):
        load_strictly(model, state | {"num_batches_tracked": torch.tensor(1.0)}, "here")


def test_a_configuration_that_asks_for_much_more_than_the_weights_is_refused_before_it_is_built(small, tmp_path):
    large = dataclasses.replace(small.config.model, width=1024, encoder_layers=32, decoder_layers=32)
    hodor.save_checkpoint(tmp_path / "a.safetensors", Checkpoint(small.model, dataclasses.replace(small.config, model=large)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "missing weights" in complaint(tmp_path / "a.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KB; the network would need over 4 GB


def test_a_checkpoint_is_shown_in_a_line(small):
    millions = sum(parameter.numel() for parameter in small.model.parameters()) / 1e6
    assert repr(small) == f"Checkpoint(backbone swin_tiny, width 32, {millions:.1f} million parameters)"


def test_names_below_a_workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for time, name in enumerate(("first/000010.pth", "first/000020.pth", "second/000005.pth")):
        path = tmp_path / "checkpoints" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1000 + time, 1000 + time))
    folder = tmp_path / "checkpoints"
    assert locate_existing("first/000010.pth", folder) == folder / "first/000010.pth"
    assert locate_existing("first", folder) == locate_existing(folder / "first") == folder / "first/000020.pth"
    assert locate_existing("latest", folder) == folder / "second/000005.pth"
    for name, place in (("third", folder), ("latest", None)):
        with pytest.raises(HodorError, match=f"^{name}: no such checkpoint"):
            locate_existing(name, place)
    assert locate_existing("compact", folder) == FOLDER / "compact.safetensors"
