"""The notebook docs/tour.ipynb does what it shows, and what is stored of it says nothing of the machine it ran on."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from tests.conftest import ROOT

TOUR = ROOT / "docs" / "tour.ipynb"
OWN = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|usr|opt|var)\b|\\Users\\")

EXECUTE = """
import sys, nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
path, place, short = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
manager = AsyncKernelManager(transport="ipc", ip=f"{short}/kernel")
NotebookClient(notebook, km=manager, timeout=200, resources={"metadata": {"path": place}}).execute()
nbformat.write(notebook, path)
"""


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_what_is_stored_is_of_a_whole_run_and_of_no_machine() -> None:
    notebook = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum("image/png" in output.get("data", {}) for output in outputs(notebook)) == 2
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        text = "".join([output.get("text", ""), *(str(value) for value in output.get("data", {}).values())])
        assert not OWN.search(re.sub(r"[A-Za-z0-9+/=\n]{200,}", "", text))


@pytest.mark.cli
def test_its_cells_run(tmp_path: Path) -> None:
    notebook = nbformat.read(TOUR, as_version=4)
    place, done = tmp_path / "place", tmp_path / "tour.ipynb"
    place.mkdir()
    for cell in notebook.cells:
        # As many runs, and shorter ones.
        cell.source = cell.source.replace("steps=80", "steps=20").replace("train_size=10", "train_size=7")
        cell.source = cell.source.replace("mnist5k(10)", "mnist5k(7)")
    nbformat.write(notebook, done)
    # In a process of its own: nbclient leaves sockets open. The paths of these have to be short.
    with tempfile.TemporaryDirectory(prefix="nb") as short:
        subprocess.run(
            [sys.executable, "-c", EXECUTE, str(done), str(place), short],
            env={**os.environ, "JUPYTER_RUNTIME_DIR": short},
            check=True,
            timeout=240,
        )
    notebook = nbformat.read(done, as_version=4)
    assert len(list(place.glob("runs/*/*/result.json"))) == 5
    assert sum("image/png" in output.get("data", {}) for output in outputs(notebook)) == 2
    (clipped,) = (cell for cell in notebook.cells if "unstack" in cell.source)
    assert "agc" in clipped.outputs[0].data["text/plain"]
