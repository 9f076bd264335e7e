"""Evaluation with several real processes."""

from pathlib import Path

from evaluation_samples import PROGRAM, square, write
from support.torchrun import error_lines, files_below, finished, torchrun


def test_two_processes_write_the_files_of_one(data: Path) -> None:
    for index in range(3):
        write(data / "truth" / f"more{index}", [square(30)] * (3 + index))
        write(data / "results" / f"more{index}", [square(30 + index)] * (3 + index))
    tables = []
    for processes in (1, 2):
        output = data / f"with_{processes}"
        options = ["--ground_truth", data / "truth", "--output_dir", output, "--json", output / "own.json", "--num_workers", 1]
        result = finished(torchrun(PROGRAM, data / "results", *options, processes=processes))
        assert result.returncode == 0, result.stderr
        tables.append(result.stdout.replace(str(output), ""))
    assert tables[0] == tables[1]
    assert files_below(data / "with_1") == files_below(data / "with_2")
    assert len(files_below(data / "with_2")) == 6


def test_an_error_of_one_process_ends_all_with_one_line(data: Path) -> None:
    (data / "results" / "two" / "00003.png").write_bytes(b"broken")
    result = finished(torchrun(PROGRAM, data / "results", "--ground_truth", data / "truth", "--num_workers", 2))
    errors = error_lines(result.stderr)
    assert result.returncode == 1 and result.stdout == ""
    assert len(errors) == 1 and str(data / "results/two/00003.png") in errors[0], result.stderr
    assert not (data / "results_evaluation").exists()
