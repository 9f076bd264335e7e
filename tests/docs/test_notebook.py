"""The notebook in docs/, run from top to bottom as a reader would."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent.parent / "docs" / "tour.ipynb"


def test_the_tour_runs_and_is_kept_without_outputs(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    patience = {"timeout": 600, "startup_timeout": 300, "iopub_timeout": 120}  # outputs that come later would be dropped
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}, **patience).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert printed.count("cat") >= 2 and "KB" in printed and "presence" in printed
