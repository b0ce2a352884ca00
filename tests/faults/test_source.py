"""F2, F3, F13, F15, F18, F23: what a slide's file itself can be up to, seen in the tables."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
import pytest
import tifffile

import histoquant.run.tasks as tasks
from histoquant.errors import UsageError
from histoquant.run.inspect import inspect_slides
from histoquant.run.intake import take_in
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.store.layout import OutputFolder

SlideBytes = Callable[[Path, str], dict[str, bytes]]
FIRST, SECOND = "P01_T1_V1_CD68", "P02_T1_V1_CD68"


def _run(slides: Path, out: Path, **options: Any) -> tuple[int, pd.DataFrame]:
    status = run_slides(RunOptions((slides,), out, workers=0, tile_size_px=256, **options))
    return status, pd.read_csv(out / "slides.csv").set_index("slide_id")


def _spoil_tile(path: Path, index: int) -> tuple[int, int, int, int]:
    """Overwrite one stored tile with zeros; returns its level-0 window."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        columns = -(-page.imagewidth // page.tilewidth)
        x, y = index % columns * page.tilewidth, index // columns * page.tilelength
        width = min(page.tilewidth, page.imagewidth - x)
        height = min(page.tilelength, page.imagelength - y)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(count))
    return x, y, width, height


def test_an_unreadable_tile_fails_its_slide_and_no_other(
    copy: Path, intact: Path, tmp_path: Path, slide_bytes: SlideBytes
):
    _spoil_tile(copy / f"{SECOND}.tif", 3)
    status, rows = _run(copy, tmp_path / "out")
    assert status == 3
    assert rows.loc[SECOND, "reason"].startswith("UNREADABLE: ")
    assert "column 1, row 1 (level-0 x 256, y 256)" in rows.loc[SECOND, "reason"]
    assert pd.isna(rows.loc[SECOND, "nuclei"])
    assert slide_bytes(tmp_path / "out", FIRST) == slide_bytes(intact, FIRST)


@pytest.mark.parametrize("limit", [10.0, 1.0])
def test_a_tolerated_share_is_left_out_and_reported(
    limit: float, copy: Path, intact: Path, tmp_path: Path, slide_bytes: SlideBytes
):
    window = _spoil_tile(copy / f"{SECOND}.tif", 3)
    assert window == (256, 256, 64, 64)
    status, rows = _run(copy, tmp_path / "out", unread_limit_percent=limit)
    # all of the field is tissue: 64 x 64 of 320 x 320 px
    percent = 100 * 64 * 64 / (320 * 320)
    assert slide_bytes(tmp_path / "out", FIRST).keys() == slide_bytes(intact, FIRST).keys()
    assert rows.loc[FIRST, "unread_percent"] == 0
    if limit < percent:
        assert status == 3
        assert "In all 1 parts, up to" in rows.loc[SECOND, "reason"]
        return
    assert status == 0
    plan = json.loads((tmp_path / "out" / "slides" / SECOND / "plan.json").read_text())
    assert plan["source"]["unread"] == [list(window)]
    assert rows.loc[SECOND, "unread_percent"] == pytest.approx(percent, rel=0.1)
    assert "UNREAD_TILES" in rows.loc[SECOND, "flags"].split(";")
    cells = pd.read_parquet(tmp_path / "out" / "slides" / SECOND / "cells.parquet")
    assert len(cells) > 50
    assert not ((cells.x_px >= 256) & (cells.y_px >= 256)).any()


@pytest.mark.parametrize("tile_px", [pytest.param(256, marks=pytest.mark.full), 300])
def test_what_is_missing_does_not_depend_on_the_tiling(tile_px: int, copy: Path, tmp_path: Path):
    _spoil_tile(copy / f"{SECOND}.tif", 3)
    (copy / f"{FIRST}.tif").unlink()
    tables = []
    for number, size in enumerate((1024, tile_px)):
        out = tmp_path / f"out-{number}"
        options = RunOptions((copy,), out, workers=0, tile_size_px=size, unread_limit_percent=10.0)
        assert run_slides(options) == 0
        tables.append([(out / "slides.csv").read_bytes(), *_slide_files(out)])
    assert tables[0] == tables[1]


def _slide_files(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((out / "slides" / SECOND).glob("*.parquet"))]


def test_the_study_file_decides_unless_the_command_does(copy: Path, tmp_path: Path):
    (copy / "study.toml").write_text("[run]\nunread-limit = 2.0\ncross-check = 3\n")
    asked = RunOptions((copy,), tmp_path / "out")
    for options, expected in ((asked, (2.0, 3)), (replace(asked, unread_limit_percent=0.0), (0.0, 3))):
        parameters = take_in(options).parameters
        assert (parameters.unread_limit_percent, parameters.cross_check_tiles) == expected
    with pytest.raises(UsageError, match="unread_limit_percent: 50"):
        take_in(replace(asked, unread_limit_percent=50.0))


def test_a_tile_that_fails_only_later_is_never_passed_over(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With a tolerated share, only what was missing in the plan may be missing: numbers must not flicker."""
    whole = tasks.run_batch

    def run_batch(job: Any, number: int) -> Any:
        if job.slide_id == SECOND:
            # as on another host than the plan's, where nothing of it is kept
            OutputFolder(job.out).drop_pixels(job.slide_id)
            _spoil_tile(job.path, 3)
        return whole(job, number)

    monkeypatch.setattr("histoquant.run.schedule.run_batch", run_batch)
    status, rows = _run(copy, tmp_path / "out", unread_limit_percent=10.0)
    assert status == 3
    assert rows.loc[SECOND, "reason"].startswith("UNREADABLE: ")


def _study(copy: Path, digests: dict[str, str]) -> None:
    (copy / "study.toml").write_text('[slides]\ntable = "slides.csv"\n')
    with (copy / "slides.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["slide", "marker", "sha256"], *([f"{name}.tif", "CD68", digests[name]] for name in digests)]
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_slide_of_other_bytes_than_expected_is_refused(
    copy: Path, intact: Path, tmp_path: Path, slide_bytes: SlideBytes
):
    digests = {name: _sha256(copy / f"{name}.tif") for name in (FIRST, SECOND)}
    _study(copy, {FIRST: digests[FIRST].upper(), SECOND: digests[SECOND]})
    with (copy / f"{SECOND}.tif").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    status, rows = _run(copy, tmp_path / "out")
    assert status == 3
    assert rows.loc[SECOND, "status"] == "REFUSED"
    assert rows.loc[SECOND, "reason"].startswith("DIGEST_DIFFERS: ")
    assert rows.loc[FIRST, "source_sha256"] == digests[FIRST]
    assert slide_bytes(tmp_path / "out", FIRST) == slide_bytes(intact, FIRST)


def test_a_hundred_single_bytes_are_each_caught(slides: Path, tmp_path: Path):
    """By the digest alone: what the readers make of a byte is not asked."""
    from histoquant.errors import SlideRefusedError
    from histoquant.markers import get_marker
    from histoquant.run.job import SlideJob
    from histoquant.run.source import refuse_other_bytes, source_files

    path = Path(shutil.copy(slides / f"{FIRST}.tif", tmp_path))
    whole = path.read_bytes()
    job = SlideJob(
        slide_id="a", path=path, out=tmp_path, marker=get_marker("CD68"), expected_sha256=_sha256(path)
    )
    refuse_other_bytes(job, source_files(path))
    for at in np.random.default_rng(3).integers(0, len(whole), 100):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(SlideRefusedError):
            refuse_other_bytes(job, source_files(path))


def test_the_same_bytes_twice_are_flagged(slides: Path, tmp_path: Path):
    copy = tmp_path / "in"
    shutil.copytree(slides, copy)
    (copy / "site-b").mkdir()
    shutil.copy(copy / f"{FIRST}.tif", copy / "site-b" / "P09_T1_V1_CD68.tif")
    status, rows = _run(copy, tmp_path / "out")
    assert status == 0
    flagged = rows["flags"].fillna("").str.split(";").map(lambda flags: "DUPLICATE" in flags)
    assert flagged.to_dict() == {FIRST: True, SECOND: False, "P09_T1_V1_CD68": True}


def test_copies_are_told_before_a_run(slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    copy = tmp_path / "in"
    shutil.copytree(slides, copy)
    shutil.copy(copy / f"{FIRST}.tif", copy / "P09_T1_V1_CD68.tif")
    with (copy / "P08_T1_V1_CD68.tif").open("wb") as file:  # of equal size, and no copy
        file.write((copy / f"{FIRST}.tif").read_bytes()[:-1] + b"\0")
    (copy / "P07_T1_V1_CD68.tif").symlink_to(copy / "gone.tif")
    assert inspect_slides((copy,), None, None, None, as_json=True) == 3
    rows = {row["slide_id"]: row["flags"] for row in json.loads(capsys.readouterr().out)}
    assert {name for name, flags in rows.items() if "DUPLICATE" in flags} == {FIRST, "P09_T1_V1_CD68"}


def test_mixed_colour_profiles_are_flagged_and_change_nothing_else(
    copy: Path, intact: Path, tmp_path: Path, slide_bytes: SlideBytes
):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = copy / f"{SECOND}.tif"
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        page = tiff.pages[0]
        pixels, tile = page.asarray(), (page.tilelength, page.tilewidth)
    tifffile.imwrite(
        path, pixels, tile=tile, photometric="rgb", compression="deflate", iccprofile=profile,
        resolution=(20000, 20000), resolutionunit="CENTIMETER", metadata=None,
    )  # fmt: skip
    status, rows = _run(copy, tmp_path / "out")
    assert status == 0
    assert rows.loc[SECOND, "icc_sha256"] == hashlib.sha256(profile).hexdigest()
    assert "COLOUR_PROFILE_DIFFERS" in rows.loc[SECOND, "flags"].split(";")
    assert "COLOUR_PROFILE_DIFFERS" not in str(rows.loc[FIRST, "flags"])
    with_profile, without = (slide_bytes(out, SECOND) for out in (tmp_path / "out", intact))
    assert [n for n in without if with_profile[n] != without[n]] == ["plan.json"]


@pytest.mark.parametrize("where", ["plan", "batch"])
def test_a_byte_appended_in_the_middle_of_a_run_fails_the_slide(
    where: str,
    copy: Path,
    intact: Path,
    tmp_path: Path,
    slide_bytes: SlideBytes,
    monkeypatch: pytest.MonkeyPatch,
):
    name = {"plan": "plan_slide", "batch": "run_batch"}[where]
    whole = getattr(tasks, name)

    def then_append(job: Any, *part: int) -> Any:
        receipt = whole(job, *part)
        if job.slide_id == SECOND:
            with job.path.open("ab") as file:
                file.write(b"\0")
        return receipt

    monkeypatch.setattr(f"histoquant.run.schedule.{name}", then_append)
    status, rows = _run(copy, tmp_path / "out")
    assert status == 3
    assert rows.loc[SECOND, "reason"].startswith("CHANGED: ")
    assert pd.isna(rows.loc[SECOND, "nuclei"])
    assert slide_bytes(tmp_path / "out", FIRST) == slide_bytes(intact, FIRST)


def test_twins_that_say_their_resolution_differently_have_the_same_numbers(field: np.ndarray, tmp_path: Path):
    """F7: nothing but the source of the um/px moves, whoever states it."""
    ome = (
        '<?xml version="1.0"?><OME><Image ID="Image:0"><Pixels ID="P:0" SizeX="320" SizeY="320" SizeZ="1" '
        'SizeC="3" SizeT="1" Type="uint8" PhysicalSizeX="500" PhysicalSizeXUnit="nm" PhysicalSizeY="500" '
        'PhysicalSizeYUnit="nm"><Channel SamplesPerPixel="3"/><TiffData IFD="0"/></Pixels></Image></OME>'
    )
    said: dict[str, dict[str, Any]] = {
        "tags": {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"},
        "ome": {"description": ome},
        "option": {},
    }
    found = {}
    for name, options in said.items():
        folder = tmp_path / name
        folder.mkdir()
        tifffile.imwrite(
            folder / f"{FIRST}.tif", field, tile=(256, 256), photometric="rgb", compression="deflate",
            metadata=None, **options,
        )  # fmt: skip
        status, rows = _run(folder, folder / "out", **({"mpp": 0.5} if name == "option" else {}))
        assert status == 0
        cells = (folder / "out" / "slides" / FIRST / "cells.parquet").read_bytes()
        row = rows.loc[FIRST].drop(["mpp_source", "source_sha256"])
        found[name] = (row.to_json(), cells)
    assert found["tags"] == found["ome"] == found["option"]


def test_two_readers_agree_on_a_good_slide(slides: Path, tmp_path: Path):
    status, rows = _run(slides, tmp_path / "out", cross_check_tiles=4)
    assert status == 0
    for name in (FIRST, SECOND):
        plan = json.loads((tmp_path / "out" / "slides" / name / "plan.json").read_text())
        assert plan["source"]["cross_check"] == {
            "reader": "openslide", "windows": 4, "differ": 0, "greatest_difference": 0,
        }  # fmt: skip
        assert not {"READERS_DISAGREE", "NOT_CROSS_CHECKED"} & set(str(rows.loc[name, "flags"]).split(";"))


def test_a_colour_shift_between_readers_is_caught(copy: Path, tmp_path: Path, field: np.ndarray):
    """A stream whose Adobe marker says RGB: this reader believes it, OpenSlide takes luma and chroma."""
    padded = np.pad(field, ((0, 192), (0, 192), (0, 0)), mode="edge")
    tiles = [
        imagecodecs.jpeg8_encode(
            np.ascontiguousarray(padded[y : y + 256, x : x + 256]), level=95, outcolorspace="rgb"
        )
        for y in (0, 256)
        for x in (0, 256)
    ]
    tifffile.imwrite(
        copy / f"{SECOND}.tif", iter(tiles), shape=field.shape, dtype=np.uint8, tile=(256, 256),
        photometric="rgb", compression="jpeg", resolution=(20000, 20000), resolutionunit="CENTIMETER",
        metadata=None,
    )  # fmt: skip
    status, rows = _run(copy, tmp_path / "out", cross_check_tiles=4)
    assert status == 0
    assert "READERS_DISAGREE" in rows.loc[SECOND, "flags"].split(";")


def test_a_photograph_has_no_second_reader(tmp_path: Path, field: np.ndarray):
    copy = tmp_path / "in"
    copy.mkdir()
    (copy / "P03_T1_V1_CD68.png").write_bytes(imagecodecs.png_encode(field))
    status, rows = _run(copy, tmp_path / "out", cross_check_tiles=4, mpp=0.5)
    assert status == 0
    assert "NOT_CROSS_CHECKED" in rows["flags"].iloc[0].split(";")
