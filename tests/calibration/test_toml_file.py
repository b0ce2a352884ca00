"""The calibration file: whole round trip, same bytes, and faults said by file, entry and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.calibration import Calibration, ControlSlide, Lock, read_calibration, toml_text
from histoquant.errors import CalibrationError

LOCK = Lock(
    marker="CD68",
    batch="B1",
    clone="PG-M1",
    hematoxylin=(0.65, 0.704, 0.286),
    dab=(0.268, 0.57, 0.776),
    vectors_source="estimated",
    threshold_od=0.151,
    threshold_source="negative controls",
    threshold_reason='P99.5 of "no primary"\tcontrols \x7f \\ µ',
)
CONTROL = ControlSlide(
    slide="tonsil ä.svs",
    marker="CD68",
    batch="B1",
    kind="positive",
    sha256="a" * 64,
    mpp=0.2527,
    tissue_mm2=4.2,
    nuclei=20000,
    positive_area_percent=3.1,
    positive_dab_od=0.41,
)
WHOLE = Calibration(working_mpp_um=0.5, lock=(LOCK,), control=(CONTROL,))


def _written(folder: Path, text: str) -> Path:
    path = folder / "calibration.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_written_is_read_back_and_written_the_same(tmp_path: Path):
    text = toml_text(WHOLE)
    read = read_calibration(_written(tmp_path, text))
    assert read == WHOLE
    assert toml_text(read) == text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "threshold_od = 0.151",
            "threshold_od = 0.001",
            ["[[lock]] 1 threshold_od", "greater than or equal"],
        ),
        ("threshold_od = 0.151", "", ["[[lock]] 1 threshold_od", "required"]),
        ("threshold_od =", "treshold_od =", ["treshold_od", "unknown key", "'threshold_od'"]),
        ("dab = [0.268, 0.57, 0.776]", "dab = [0.65, 0.7, 0.29]", ["[[lock]] 1", "too close"]),
        ("dab = [0.268, 0.57, 0.776]", "dab = [0.0, 0.0, 0.0]", ["[[lock]] 1", "length zero"]),
        ('kind = "positive"', 'kind = "tonsil"', ["[[control]] 1 kind", "'positive' or 'negative'"]),
        ("format_version = 1", "format_version = 9", ["format_version: 9", "histoquant calibrate"]),
        ('"histoquant-calibration"', '"else"', ["no calibration file", "histoquant calibrate"]),
        ("\n[[lock]]", "\n[[lock", ["not valid TOML"]),
        ('batch = "B1"\nclone = "PG-M1"\nhem', 'batch = "../x"\nclone = "PG-M1"\nhem', ["batch '../x'"]),
        ("threshold_od = 0.151", "threshold_od = nan", ["threshold_od"]),
    ],
)
def test_each_fault_names_file_entry_and_cure(tmp_path: Path, old: str, new: str, said: list[str]):
    text = toml_text(WHOLE)
    assert old in text
    with pytest.raises(CalibrationError) as raised:
        read_calibration(_written(tmp_path, text.replace(old, new, 1)))
    message = str(raised.value)
    assert message.startswith("calibration.toml: ")
    assert "\n" not in message
    assert [part for part in said if part not in message] == [], message
    assert "histoquant calibrate" in message


def test_two_locks_for_one_batch_are_turned_away(tmp_path: Path):
    text = toml_text(WHOLE)
    lock = text[text.index("\n[[lock]]") : text.index("\n[[control]]")]
    with pytest.raises(CalibrationError, match="two locks for marker CD68, batch B1"):
        read_calibration(_written(tmp_path, text + "\n" + lock))


def test_a_missing_file_is_said(tmp_path: Path):
    with pytest.raises(CalibrationError, match="No such file"):
        read_calibration(tmp_path / "none.toml")


def test_a_batch_without_lock_takes_the_default_one():
    default = LOCK.model_copy(update={"batch": "default", "threshold_od": 0.2})
    both = Calibration(working_mpp_um=0.5, lock=(LOCK, default))
    assert both.lock_for("cd68", "B1") == LOCK
    assert both.lock_for("CD68", "B7") == default
    assert both.lock_for("CD68", None) == default
    assert WHOLE.lock_for("CD68", "B7") is None
    assert WHOLE.lock_for("CD20", "B1") is None


def test_any_change_of_a_lock_changes_its_digest():
    assert LOCK.sha256 != LOCK.model_copy(update={"threshold_od": 0.152}).sha256
