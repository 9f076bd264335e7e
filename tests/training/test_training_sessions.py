"""Stopping, being killed and going on: real processes."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from support.small_training import (
    arguments,
    await_file,
    await_line,
    kill,
    limit_file_size,
    same,
    session,
    start,
    train,
)

KEYS = {"DATA__DATASETS": "{photographs: 1}", "TRAINING__BATCH_SIZE": 4, "TRAINING__TOTAL_ITERATIONS": 7}
KEYS |= {"TRAINING__LR_SCHEDULER": "warmup", "TRAINING__LR_SCHEDULERS__WARMUP__WARMUP_ITERS": 5}
OPTIONS = ["--max_samples_per_gpu", "2", "--num_cpu_workers", "1"]


def command(folder, *options, cfg="static.yaml", **keys):
    return arguments(cfg, *OPTIONS, "--model_dir", folder, *options, **(KEYS | keys))


def resumed(checkpoint, *options):
    """A command line for going on; the configuration lies beside the checkpoint."""
    return ["--restore_session", checkpoint, "--device", "cpu", "--display_interval", "1", *OPTIONS, *options]


@pytest.fixture(scope="module")
def finished(training_data, tmp_path_factory):
    """The folder of a training that nobody disturbed."""
    folder = tmp_path_factory.mktemp("finished")
    result = train(training_data, *command(folder))
    assert result.returncode == 0, result.stderr
    return folder


def test_a_stopped_killed_and_resumed_training_ends_with_the_same_bits(training_data, tmp_path, finished):
    process = start(training_data, *command(tmp_path))
    await_line(process, "1/7")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert process.returncode == 0 and "Traceback" not in stderr
    assert "warning: SIGTERM: finishing this iteration, then saving; once more to stop at once" in stderr
    (stopped,) = tmp_path.glob("*.pth")
    assert f"stopped after iteration {int(stopped.stem)}; --restore_session {stopped} goes on" in stderr
    assert "goes on" in (tmp_path / "logs/out.log").read_text() and 1 <= int(stopped.stem) < 5

    process = start(training_data, *resumed(stopped, "--save_interval", "1"))
    saved = tmp_path / f"{int(stopped.stem) + 1:06d}.pth"
    await_file(process, saved)
    await_line(process, f"{int(saved.stem)}/7")
    kill(process)
    latest = max(tmp_path.glob("[0-9]*.pth"))
    assert latest.stem != "000007"

    result = train(training_data, *resumed(latest))
    assert result.returncode == 0, result.stderr
    assert f"from iteration {int(latest.stem)}; writing to {tmp_path}" in result.stderr
    ours, expected = session(tmp_path / "000007.pth"), session(finished / "000007.pth")
    assert expected["progress"]["iteration"] == 7 and same(ours, expected)
    assert not same(ours["model"], session(latest)["model"])
    assert (tmp_path / "config.yaml").read_text() == (finished / "config.yaml").read_text()
    log = (tmp_path / "logs/out.log").read_text()
    assert log.count("7 iterations of 4 samples") == 3 and "7/7  loss" in log
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_second_signal_ends_at_once_and_saves_nothing(training_data, tmp_path):
    process = start(training_data, *command(tmp_path, TRAINING__TOTAL_ITERATIONS=1000, TRAINING__BATCH_SIZE=16))
    await_line(process, "1/1000")
    process.send_signal(signal.SIGINT)
    await_line(process, "warning: SIGINT")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in stderr
    assert not list(tmp_path.glob("*.pth"))


def test_a_full_disk_is_one_line_and_the_old_checkpoint_stays_good(training_data, tmp_path, finished):
    for name in ("000007.pth", "config.yaml"):
        shutil.copy(finished / name, tmp_path / name)
    before = (tmp_path / "000007.pth").read_bytes()
    more = ["--cfg.TRAINING.TOTAL_ITERATIONS", "8"]
    result = train(training_data, *resumed(tmp_path / "000007.pth", *more), preexec=limit_file_size(20_000_000))
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert len(errors) == 1 and str(tmp_path / "000008.pth") in errors[0] and "space" in errors[0]
    assert "space" in (tmp_path / "logs/out.log").read_text()
    assert (tmp_path / "000007.pth").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000007.pth", "config.yaml", "logs"]


def test_a_checkpoint_of_another_model_is_one_line(training_data, tmp_path, finished):
    result = train(training_data, *command(tmp_path, "--restore_session", finished / "000007.pth", MODEL__WIDTH=64))
    assert result.returncode == 1 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith(
        f"error: {finished / '000007.pth'}: the weights can't be used with this configuration; wrong shapes:"
    )
    assert not (tmp_path / "config.yaml").exists()


def test_settings_of_the_optimizer_are_those_of_the_configuration(training_data, tmp_path, finished):
    more = ["--cfg.TRAINING.TOTAL_ITERATIONS=8", "--cfg.TRAINING.WEIGHT_DECAY", "0.5", "--model_dir", tmp_path]
    result = train(training_data, *resumed(finished / "000007.pth", *more, "--cfg.TRAINING.BASE_LR", "0.01"))
    assert result.returncode == 0 and "8/8 loss" in " ".join(result.stderr.split()) and "lr 1.00e-02" in result.stderr
    (group,) = session(tmp_path / "000008.pth")["optimizer"]["param_groups"]
    assert (group["weight_decay"], group["lr"]) == (0.5, 0.01)
    before, after = session(finished / "000007.pth")["model"], session(tmp_path / "000008.pth")["model"]
    ratios = [after[name].norm() / before[name].norm() for name in before if name.endswith("norm_mlp.weight")]
    assert torch.stack(ratios).mean() == pytest.approx(0.995, abs=0.002)  # 1 - rate * weight decay


def test_processes_of_torchrun_stop_together_and_say_so_when_one_is_lost(training_data, tmp_path):
    options = ["--allow_multigpu", "--num_cpu_workers", "0"]
    process = start(training_data, *command(tmp_path, *options, TRAINING__TOTAL_ITERATIONS=1000), processes=2)
    await_line(process, "1/1000")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    (stopped,) = tmp_path.glob("*.pth")
    assert f"stopped after iteration {int(stopped.stem)}; --restore_session {stopped} goes on" in stderr
    assert stderr.count("saved") == 1

    process = start(training_data, *resumed(stopped, *options), processes=2)
    await_line(process, f"{int(stopped.stem) + 1}/1000")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ranks = {int(Path(f"/proc/{child}/environ").read_text().split("\0RANK=")[1][0]): int(child) for child in children}
    os.kill(ranks[1], signal.SIGKILL)
    _, stderr = process.communicate()
    lines = [line for line in stderr.splitlines() if line.startswith("error:")]
    assert process.returncode == 1 and len(lines) == 1 and "another process ended" in lines[0]
    assert "[rank0]" not in stderr and list(tmp_path.glob("*.pth")) == [stopped]


def test_a_second_training_in_the_folder_is_refused_until_the_first_is_dead(training_data, tmp_path):
    process = start(training_data, *command(tmp_path, TRAINING__TOTAL_ITERATIONS=1000))
    await_line(process, "1/1000")
    log = (tmp_path / "logs/out.log").read_text()
    result = train(training_data, *command(tmp_path))
    assert (result.returncode, result.stderr) == (
        1,
        f"error: {tmp_path}: another process is writing there; wait for it, or choose another folder\n",
    )
    assert (tmp_path / "logs/out.log").read_text().startswith(log) and "error" not in log
    kill(process)
    result = train(training_data, *command(tmp_path, TRAINING__TOTAL_ITERATIONS=1))
    assert result.returncode == 0, result.stderr
    assert not list(tmp_path.glob(".*"))
