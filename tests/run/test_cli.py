"""The command as a user types it: status, one line, no traceback."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile


def _histoquant(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from histoquant.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_version_and_help():
    assert _histoquant("--version").stdout.startswith("histoquant 0.")
    text = _histoquant("--help").stdout
    assert all(command in text for command in ("run", "inspect", "samples"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nowhere"), "nowhere: not there"),
        (("run",), "Missing argument"),
        (("run", ".", "--tile-sise", "300"), "No such option"),
        (("run", ".", "--tile-size", "10"), "tile_size_px: 10 does not fit"),
        (("run", ".", "--set", "threshold"), "key=value"),
        (("run", ".", "--set", "threshold_od=high"), "threshold_od=high"),
        (("inspect", "."), "no slides"),
        (("verify", "."), "no run was finished here"),
        (("worker", ".", "--shard", "1/2"), "no run is prepared there"),
        (("worker", ".", "--shard", "3/2"), "expected NUMBER/COUNT"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_mistakes_get_one_line_and_status(tmp_path: Path, arguments: tuple[str, ...], said: str):
    placed = [str(tmp_path) if argument == "." else argument for argument in arguments]
    ended = _histoquant(*placed, *(("-o", tmp_path / "out") if "run" in arguments[:1] else ()))
    assert ended.returncode == (4 if arguments[0] == "inspect" else 2)
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nowhere"), "nowhere: not there"),
        (("run", ".", "--study", "no.toml"), "--study no.toml: not there"),
        (("run", ".", "--calibration", "no.toml"), "--calibration no.toml: not there"),
        (("run", ".", "--tile-size", "10"), "tile_size_px: 10 does not fit"),
        (("inspect", "nowhere"), "nowhere: not there"),
        (("calibrate", "nowhere"), "nowhere: not there"),
        (("worker", ".", "--shard", "3/2"), "expected NUMBER/COUNT"),
        (("worker", ".", "--shard", "1/2"), "no run is prepared there"),
        (("status", "."), "no run was started there"),
        (("verify", "."), "no run was finished here"),
        (("study", "."), "no finished run"),
        (("agreement", ".", "--reader", "no.csv"), "no finished run"),
        (("reference", ".", "-o", "no.json"), "no finished run"),
        (("export", ".", "--to", "shapefile"), "Choose from geojson, ome-zarr"),
        (("export", ".", "--to", "geojson"), "no finished run"),
        (("blind", "nowhere", "-o", "b", "--key", "k"), "nowhere: is no folder"),
        (("blind", ".", "-o", "b", "--key", "b/k"), "lies in the blind folder"),
        (("unblind", ".", "--key", "k", "-o", "u"), "--key k: not there"),
        (("review", "."), "no finished run"),
    ],
)
def test_what_is_wrong_at_first_sight_is_said_within_a_second(
    tmp_path: Path, arguments: tuple[str, ...], said: str
):
    placed = [str(tmp_path) if argument == "." else argument for argument in arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = _histoquant(*placed)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 2
    assert said in ended.stderr
    # processor time of its own, whatever else runs on this machine
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used_s < 1.0


def test_run_with_json_progress(slides: Path, tmp_path: Path):
    one = slides / "P01_T1_V1_CD31.tif"
    ended = _histoquant("run", one, "-o", tmp_path / "out", "--workers", "0", "--json-progress")
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {"event": "slide", "slide_id": "P01_T1_V1_CD31", "status": "OK", "reason": ""} in [
        {**event, "status": "OK"} if event["event"] == "slide" else event for event in events
    ]
    assert events[-1]["slides_done"] == 1
    assert "1 slide: 1 OK" in ended.stderr
    assert _histoquant("verify", tmp_path / "out").returncode == 0
    with (tmp_path / "out" / "slides.csv").open("ab") as table:
        table.write(b"\n")
    found = _histoquant("verify", tmp_path / "out", "--json")
    assert found.returncode == 3
    assert json.loads(found.stdout) == [{"file": "slides.csv", "what": "differs from what was written"}]


def test_inspect_says_what_each_slide_is(slides: Path):
    ended = _histoquant("inspect", slides, "--json")
    assert ended.returncode == 0
    rows = json.loads(ended.stdout)
    assert [row["marker"] for row in rows] == ["CD20", "CD31", "CD68"]
    assert {row["mpp"] for row in rows} == {0.5}
    assert {(row["patient"], row["tract"], row["timepoint"]) for row in rows} == {("P01", "T1", "V1")}
    plain = _histoquant("inspect", slides)
    assert "P01_T1_V1_CD68.tif" in plain.stdout


def test_a_refusal_names_its_file_once(tmp_path: Path):
    tifffile.imwrite(tmp_path / "P01_T1_V1_CD68.tif", np.full((64, 64, 3), 200, np.uint8), metadata=None)
    for arguments in (("inspect", tmp_path), ("run", tmp_path, "-o", tmp_path / "out", "--workers", "0")):
        ended = _histoquant(*arguments)
        (line,) = [one for one in (ended.stdout + ended.stderr).splitlines() if "NO_MPP" in one]
        assert line.strip().startswith("REFUSED P01_T1_V1_CD68.tif: NO_MPP: no micrometres per pixel")


def test_samples_refuses_a_full_folder(slides: Path):
    ended = _histoquant("samples", slides)
    assert ended.returncode == 2
    assert "not empty" in ended.stderr
