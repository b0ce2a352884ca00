"""A picture that is no section of this stain gives numbers, and never in silence."""

from __future__ import annotations

import html
from pathlib import Path

import cv2
import pytest
import skimage.data

import histoquant as hq
from histoquant.report.reasons import explain
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides


def test_a_photograph_is_said_to_be_doubtful(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The astronaut of scikit-image: skin, cloth and a flag."""
    picture = tmp_path / "holiday.png"
    cv2.imwrite(str(picture), skimage.data.astronaut()[..., ::-1])
    out = tmp_path / "out"
    assert run_slides(RunOptions((picture,), out, marker="CD68", mpp=0.5, workers=0)) == 0
    assert "DOUBTFUL holiday.png: Much of what is coloured here" in capsys.readouterr().err
    (row,) = hq.load_results(out).slides.to_dict("records")
    assert "FOREIGN_COLOURS" in row["flags"].split(";")
    page = html.unescape((out / "report.html").read_text())
    assert explain("FOREIGN_COLOURS").meaning in page
    assert "Doubtful" in page
    assert "/mm², in doubt" in page
