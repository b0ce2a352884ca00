"""Every example runs as its docstring says, on small slides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("example") / "P01_T1_V1_CD68.tif"
    rgb, truth = render_field("CD68", 300.0, seed=5)
    write_slide(path, rgb, float(truth.summary["mpp"]))
    return path


def run(script: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_metrics_in_analysis_code(slide: Path) -> None:
    assert "CD68+ cells:" in run("metrics_in_analysis_code.py", slide)


def test_qupath_round_trip_then_scverse(slide: Path, tmp_path: Path) -> None:
    said = run("qupath_round_trip.py", slide, tmp_path / "work")
    assert "objects for QuPath" in said
    assert "lumen" in said.split("P01_T1_V1_CD68.geojson")[1]
    assert "Positive" in run("cells_in_scverse.py", tmp_path / "work" / "after")


def _contract(folder: Path) -> str:
    # a configuration of its own, as in a plug-in's repository
    alone = ["-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider"]
    for plugin in ("napari", "npe2", "napari-plugin-engine", "pytest-qt"):
        alone += ["-p", f"no:{plugin}"]
    command = [sys.executable, "-m", "pytest", "-q", *alone, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    return done.stdout + done.stderr


def _installed(name: str, entry_point: str, tmp_path: Path, folder: Path, code: str) -> str:
    # what `pip install` would leave: the module, and its entry point in a dist-info folder
    info = tmp_path / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(entry_point)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(folder)!r}]\n{code}"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_marker_plugin_passes_its_contract_and_is_found_when_installed(tmp_path: Path) -> None:
    folder = EXAMPLES / "marker_plugin"
    assert "5 passed" in _contract(folder)
    code = (
        "from histoquant.markers import get_marker, stain_od\n"
        "from histoquant.testing import cell_table\n"
        "print(get_marker('cd163').name, stain_od(cell_table(7), get_marker('CD163')).shape)\n"
    )
    point = "[histoquant.markers]\nCD163 = histoquant_cd163:CD163\n"
    assert _installed("histoquant-cd163", point, tmp_path, folder, code) == "CD163 (7,)"


def test_segmenter_plugin_passes_its_contract_and_is_found_when_installed(tmp_path: Path) -> None:
    folder = EXAMPLES / "segmenter_plugin"
    assert "3 passed" in _contract(folder)
    code = (
        "from histoquant.run.segmenter import choose_segmenter\nprint(choose_segmenter('blobs').identity)\n"
    )
    point = "[histoquant.segmenters]\nblobs = histoquant_blobs:load\n"
    assert _installed("histoquant-blobs", point, tmp_path, folder, code) == "blobs 1 (histoquant-blobs 0.1.0)"
