"""The report in a real Chromium: nothing runs, nothing overflows, dark is dark, and it prints."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from browser import DARK, browser, run_browser
from made_study import made_tables, write_run, write_tables

from histoquant.report.study_report import write_study_report

PHONE_PX, WIDE_PX = 390, 1300
_SIZES = {"thumbnail": (660, 640), "overlay": (1300, 1400), "density": (1000, 1000), "fields": (1280, 1400)}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    browser()
    out = tmp_path_factory.mktemp("page")
    write_run(out, 9)
    write_tables(out, made_tables(6))
    return write_study_report(out)


def _shot(page: Path, tmp_path: Path, width_px: int, height_px: int, *more: str) -> np.ndarray:
    file = tmp_path / "shot.png"
    size = f"--window-size={width_px},{height_px}"
    run_browser(tmp_path / "profile", size, f"--screenshot={file}", *more, page.as_uri())
    return cv2.imread(str(file))


def _frame(page: Path, tmp_path: Path) -> Path:
    """A page that shows another one at phone width: a window cannot be made as narrow as a phone."""
    frame = tmp_path / "frame.html"
    style = f"border:0;width:{PHONE_PX}px;height:2600px"
    frame.write_text(f'<body style="margin:0;background:#00f"><iframe src="{page.as_uri()}" style="{style}">')
    return frame


def test_nothing_is_wider_than_a_phone(page: Path, tmp_path: Path) -> None:
    picture = _shot(_frame(page, tmp_path), tmp_path, 600, 2600)[:, :PHONE_PX]
    edge = picture[:, PHONE_PX - 10 : PHONE_PX]
    # the page has a margin of 16 px; were anything wider, it would run through it
    assert (edge > 250).mean() > 0.995
    assert (picture < 200).any(axis=2).mean() > 0.02, "and it is not an empty page"


def test_dark_is_dark_and_light_is_light(page: Path, tmp_path: Path) -> None:
    light = _shot(page, tmp_path, WIDE_PX, 2400)
    dark = _shot(page, tmp_path, WIDE_PX, 2400, DARK)
    assert np.median(light) == 255
    assert np.median(dark) < 40
    assert (dark > 200).any(axis=2).mean() < 0.10, "no white boxes are left in the dark"
    # figures keep colours of their own in both
    for picture in (light, dark):
        spread = picture.max(axis=2).astype(int) - picture.min(axis=2)
        assert (spread > 90).mean() > 0.0004


def test_no_script_runs_and_nothing_is_refused(page: Path, tmp_path: Path) -> None:
    """The policy blocks nothing of the page itself: no violation is reported and the styles apply."""
    dom = run_browser(tmp_path / "profile", "--dump-dom", "--enable-logging=stderr", page.as_uri())
    assert "<script" not in dom
    assert dom.count("<svg") == page.read_text("utf-8").count("<svg")


def test_it_prints_to_pages(page: Path, tmp_path: Path) -> None:
    assert 3 <= _printed_pages(page, tmp_path) <= 40


def test_a_slide_with_its_pictures_prints_on_one_page(tmp_path: Path) -> None:
    browser()
    write_run(tmp_path, 9)
    ids = pd.read_csv(tmp_path / "slides.csv")["slide_id"]
    for slide in ids:
        folder = tmp_path / "slides" / str(slide)
        folder.mkdir(parents=True, exist_ok=True)
        for name, (height, width) in _SIZES.items():
            cv2.imwrite(str(folder / f"{name}.png"), np.full((height, width, 3), 200, np.uint8))
    write_tables(tmp_path, made_tables(6))
    page = write_study_report(tmp_path)
    assert page.read_text("utf-8").count('alt="Full-resolution fields of') == len(ids) == 9
    slides = re.sub(r'<section id="(?!slides)[a-z]+">.*?</section>', "", page.read_text("utf-8"), flags=re.S)
    page.write_text(slides, "utf-8")
    # beside them stand the title with a figure and, if the last is full, the foot
    assert _printed_pages(page, tmp_path) in (10, 11)


def _printed_pages(page: Path, tmp_path: Path) -> int:
    pdf = tmp_path / "report.pdf"
    run_browser(tmp_path / "profile", f"--print-to-pdf={pdf}", "--no-pdf-header-footer", page.as_uri())
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    return len(re.findall(rb"/Type\s*/Page\b", content))


def test_figures_alone_open_in_a_browser(page: Path, tmp_path: Path) -> None:
    figure = page.parent / "study" / "figures" / "changes-ratio.svg"
    shutil.copy(figure, tmp_path / "figure.svg")
    picture = _shot(tmp_path / "figure.svg", tmp_path, 500, 400)
    assert np.median(picture) == 255
    assert (picture.min(axis=2) < 100).mean() > 0.005
