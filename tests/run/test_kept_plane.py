"""A slide is decoded once, and what was kept of it changes nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.intake import take_in
from histoquant.run.job import SlideJob
from histoquant.run.kept_plane import plane_of
from histoquant.run.options import RunOptions
from histoquant.run.space import KEPT_PIXELS_BYTES, kept_pixels_bytes
from histoquant.run.tasks import commit_slide, open_job, plan_slide, run_batch
from histoquant.slides import working_plane
from histoquant.slides.tiff_slide import TiffSlide
from histoquant.store.layout import OutputFolder


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A field at 40x, whose sides are no multiples of anything."""
    rgb, truth = render_field("CD68", 180.0, seed=4)
    mpp = float(truth.summary["mpp"])
    size = (round(rgb.shape[1] * mpp / 0.25) - 1, round(rgb.shape[0] * mpp / 0.25) - 4)
    path = tmp_path_factory.mktemp("kept") / "P01_T1_V1_CD68.tif"
    write_slide(path, np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), np.uint8), 0.25)
    return path


def job_for(slide: Path, out: Path) -> SlideJob:
    out.mkdir(parents=True)
    return take_in(RunOptions(slides=(slide,), out=out)).jobs(out)[0]


def pixels_of(job: SlideJob) -> list[Path]:
    return sorted(OutputFolder(job.out).work(job.slide_id, job.work_key).glob("pixels.*"))


def test_tiles_are_not_decoded_again(slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_for(slide, tmp_path / "kept")
    batches = plan_slide(job).batches
    assert len(pixels_of(job)) == 2
    with open_job(job) as opened:
        plane, kept = working_plane(opened, 0.5), plane_of(job, opened)
        for at in ((0, 0, *plane.size_px), (-5, -7, 300, 200), (33, 70, 64, 1)):
            for one, other in zip(plane.read(*at), kept.read(*at), strict=True):
                assert np.array_equal(one, other)

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as closed:
        closed.setattr(TiffSlide, "_decode_tile", refuse)
        for number in range(batches):
            run_batch(job, number)
    row = commit_slide(job).row
    assert not pixels_of(job)

    again = job_for(slide, tmp_path / "gone")
    plan_slide(again)
    index, rgb = pixels_of(again)
    data = bytearray(rgb.read_bytes())
    data[100] ^= 4
    rgb.write_bytes(data)
    for number in range(batches):
        run_batch(again, number)
        index.unlink(missing_ok=True)
    assert commit_slide(again).row == row
    names = ["cells.parquet", "overlay.png", "plan.json"]
    for name in names:
        one, other = (OutputFolder(each.out).slide(each.slide_id) / name for each in (job, again))
        assert one.read_bytes() == other.read_bytes()


def test_a_disk_with_little_room_keeps_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < kept_pixels_bytes(tmp_path) <= KEPT_PIXELS_BYTES

    class Usage:
        free = 1600

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    assert kept_pixels_bytes(tmp_path) == 100
