"""The notebook runs from its first cell to its last, and is kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "one_slide.ipynb"


def test_it_is_kept_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert len(code) > 5
    assert not any(cell.outputs or cell.execution_count for cell in code)


# the kernel's client opens sockets and leaves loops of its own to the garbage collector
@pytest.mark.filterwarnings("default")
def test_it_runs_and_shows_three_pictures(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    done = NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(pictures) == 3
    said = "".join(one.text for one in outputs if one.output_type == "stream" and one.name == "stdout")
    counted, drawn = (int(word) for word in said.split() if word.isdigit())
    assert abs(counted - drawn) <= 0.2 * drawn
    assert not [one for one in outputs if one.output_type == "stream" and one.name == "stderr"]
