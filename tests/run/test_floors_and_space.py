"""S13: libraries with known holes are told; F21: a disk without room is told before the work."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from histoquant.errors import UsageError
from histoquant.markers import get_marker
from histoquant.run import floors, space
from histoquant.run.job import SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides


@pytest.mark.parametrize(
    ("found", "below"),
    [
        ("4.0.0", True),
        ("3.4.1", True),
        ("4.0.1", False),
        ("4.1", False),
        ("4.0.1.2", False),
        ("a copy", True),
    ],
)
def test_a_version_below_its_floor_is_told(found: str, below: bool, monkeypatch: pytest.MonkeyPatch):
    assert floors.is_below(floors.OPENSLIDE, found) == below
    assert not floors.is_below(floors.OPENSLIDE, None)
    monkeypatch.setattr(floors, "installed", lambda floor: found if floor is floors.OPENSLIDE else "2026.8.0")
    said = floors.check_floors(None)
    assert [text.split(" is installed")[0] for text in said] == ([f"OpenSlide {found}"] if below else [])


def test_what_is_installed_here_is_safe():
    assert floors.check_floors("tls://localhost:8786") == []


def test_an_old_dask_gets_no_cluster(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        floors, "installed", lambda floor: floor.least if floor is floors.OPENSLIDE else "2025.9.1"
    )
    assert len(floors.check_floors(None)) == 1
    with pytest.raises(UsageError, match=r"distributed 2025\.9\.1 is installed: .*2026\.1\.0 or newer"):
        floors.check_floors("tls://localhost:8786")


def test_a_run_says_it_once_and_goes_on(
    slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(
        floors, "installed", lambda floor: "4.0.0" if floor is floors.OPENSLIDE else floor.least
    )
    one = slides / "P01_T1_V1_CD31.tif"
    assert run_slides(RunOptions((one,), tmp_path / "out", workers=0)) == 0
    assert capsys.readouterr().err.count("OpenSlide 4.0.0 is installed") == 1


class _Usage(NamedTuple):
    free: int


def test_room_is_estimated_from_area_and_told_when_short(
    slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    paths = sorted(slides.glob("*.tif"))
    jobs = [
        SlideJob(slide_id=path.stem, path=path, out=tmp_path, marker=get_marker("CD68")) for path in paths
    ]
    needed = space.needed_bytes(jobs)
    assert needed > len(jobs) * space.PICTURES_BYTES
    assert space.needed_bytes(jobs * 100) == pytest.approx(100 * needed, rel=0.1)
    assert space.needed_bytes([]) == 0
    gone = jobs[0].model_copy(update={"path": tmp_path / "gone.tif"})
    assert space.needed_bytes([gone]) == space.PICTURES_BYTES
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: _Usage(needed))
    assert space.shortage(jobs, tmp_path) == ""
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: _Usage(needed - 1))
    assert "goes on when it is run again" in space.shortage(jobs, tmp_path)
