from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from histoquant.errors import StudyError
from histoquant.study import StudyDesign, load_study

FULL = """
[study]
name = "Fistula pilot"

[slides]
pattern = "{patient}-{tract}-{timepoint}-{marker}"

[[timepoints]]
label = "M2"
month = 2
doses_before = 1

[[timepoints]]
label = "M0"
month = 0
doses_before = 0

[run]
marker = "CD68"
mpp = 0.25
workers = 0
scheduler = "tls://scheduler:8786"
tile-size = 512
working-mpp = 0.5

[run.set]
threshold_od = 0.2
nuclei.min_area_um2 = 12

[inflammation]
weights = { cd68 = 1 }
partial = "renormalise"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_folder_without_study_file_has_no_study(tmp_path: Path) -> None:
    assert load_study(tmp_path) is None


def test_every_section_is_read_under_the_command_line_names(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, FULL))
    assert study is not None
    assert study.name == "Fistula pilot"
    assert study.folder == tmp_path.resolve()
    assert [point.label for point in study.timepoints] == ["M0", "M2"]  # by month, not as written
    assert (study.baseline, study.month("M2"), study.month("M9")) == ("M0", 2.0, None)
    assert (study.run.tile_size, study.run.working_mpp, study.run.workers) == (512, 0.5, 0)
    assert study.run.set == {"threshold_od": 0.2, "nuclei.min_area_um2": 12}
    assert study.inflammation.weights.model_dump() == {
        "cd68": 1,
        "cd20_diffuse": 0.25,
        "cd20_aggregates": 0.25,
    }


def test_an_empty_study_file_is_a_study_of_defaults(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, ""))
    assert study is not None
    assert study.run.marker is None
    assert (study.reference, study.table, study.calibration_path) == (None, None, None)


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b"\xef\xbb\xbf[study]\nname = 'x'\n")
    study = load_study(tmp_path)
    assert study is not None
    assert study.name == "x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[run]\ntile_size = 512",
            ["study.toml", "[run] tile_size", "unknown key", "Did you mean 'tile-size'"],
        ),
        ("[runn]\nmarker = 'CD68'", ["runn: unknown key", "Did you mean 'run'"]),
        ("[inflammation]\nweights = { cd86 = 1 }", ["[inflammation.weights] cd86", "Did you mean 'cd68'"]),
        ("[[timepoints]]\nlabel = 'a'\nmonht = 2", ["[timepoints] entry 1 monht", "Did you mean 'month'"]),
        ("[[timepoints]]\nmonth = 2", ["[timepoints] entry 1 label", "required"]),
        ("[[timepoints]]\nlabel = 'a'\nmonth = '2,0'", ["entry 1 month", "'2,0' is no number", "like 2"]),
        ("[[timepoints]]\nlabel = '=1+1'\nmonth = 2", ["'=1+1' is not a label", "letters"]),
        ("[[timepoints]]\nlabel = 'a'\nmonth = inf", ["entry 1 month"]),
        ("[run]\nworkers = true", ["[run] workers", "valid integer"]),
        ("[run]\nmpp = -0.5", ["[run] mpp", "greater than 0"]),
        ("[run.set]\na = [1]", ["[run] set", "a is a list"]),
        ("[inflammation]\nweights = { cd68 = 0, cd20_diffuse = 0, cd20_aggregates = 0 }", ["add up to 0"]),
        ("[inflammation]\nweights = { cd68 = -1 }", ["[inflammation.weights] cd68"]),
        ("[inflammation]\npartial = 'maybe'", ["'forbid' or 'renormalise'"]),
        ("study = 3", ["study:", "dictionary"]),
        ("[study]\nname = Pilot", ["not valid TOML", "line 2", "quotes"]),
        ("[slides]\ntable = '../slides.csv'", ["[slides] table", "climbs out"]),
        ("[slides]\ntable = 'slides.csv'", ["'slides.csv' is not there"]),
        ("[run]\ncalibration = '/etc/passwd'", ["[run] calibration", "absolute"]),
        ("[inflammation]\nreference = 'none.json'", ["[inflammation] reference", "is not there"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    with pytest.raises(StudyError) as raised:
        load_study(write(tmp_path, text))
    message = str(raised.value)
    assert "\n" not in message
    assert [part for part in expected if part not in message] == [], message


@pytest.mark.parametrize("key", ["arm", "arms", "treatment", "outcome", "response", "Treatment_Arm"])
@pytest.mark.parametrize("section", ["", "[study]\n", "[run]\n"])
def test_arm_and_outcome_are_turned_away_with_the_way_out(tmp_path: Path, section: str, key: str) -> None:
    with pytest.raises(StudyError, match=r"unknown key.*histoquant study OUT --outcomes FILE"):
        load_study(write(tmp_path, f"{section}{key} = 'exosome'"))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("label='M0'\nmonth=0", "label='m0'\nmonth=2", "same label"),
        ("label='M0'\nmonth=0", "label='M2'\nmonth=0", "same month"),
        ("label='M0'\nmonth=0\ndoses_before=1", "label='M2'\nmonth=2\ndoses_before=0", "doses_before falls"),
    ],
)
def test_timepoints_must_agree_with_each_other(
    tmp_path: Path, first: str, second: str, expected: str
) -> None:
    with pytest.raises(StudyError, match=expected):
        load_study(write(tmp_path, f"[[timepoints]]\n{first}\n[[timepoints]]\n{second}\n"))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{patient}{tract}", "nothing between"),
        ("{patient}_{patient}", "twice"),
        ("{patient}_{visit}", "needs fields among"),
        ("slide", "needs fields among"),
        ("{patient}_}", "stray brace"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused(tmp_path: Path, pattern: str, expected: str) -> None:
    with pytest.raises(StudyError, match=expected):
        load_study(write(tmp_path, f"[slides]\npattern = '{pattern}'"))


def test_a_study_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"cannot be read.*--study"):
        load_study(tmp_path / "other.toml")
    (tmp_path / "study.toml").write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(StudyError, match="UTF-8"):
        load_study(tmp_path)


def test_every_field_is_described_with_its_default() -> None:
    seen: list[str] = []

    def visit(model: type[BaseModel]) -> None:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            seen.append(name)
            for part in (field.annotation, *get_args(field.annotation)):
                if isinstance(part, type) and issubclass(part, BaseModel):
                    visit(part)

    visit(StudyDesign)
    assert len(seen) > 20


def test_the_design_cannot_be_changed(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, FULL))
    assert study is not None
    with pytest.raises(ValueError, match="frozen"):
        study.design.study.name = "other"
