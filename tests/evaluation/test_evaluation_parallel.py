"""The evaluation's processes are used outside the main thread too."""

import threading
from pathlib import Path

from hodor.evaluation.main import main


def test_program_runs_in_any_thread(data: Path) -> None:
    codes: list[int] = []
    arguments = [str(data / "results"), "--ground_truth", str(data / "truth"), "--num_workers", "2"]
    thread = threading.Thread(target=lambda: codes.append(main(arguments)))
    thread.start()
    thread.join(timeout=300)
    assert codes == [0]
