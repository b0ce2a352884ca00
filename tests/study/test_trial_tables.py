from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.errors import StudyError
from histoquant.study import load_study

STUDY = """
[tables]
patients = "patients.csv"
tracts = "tracts.csv"
missing = "missing.csv"
[[timepoints]]
label = "V1"
month = 0
[[timepoints]]
label = "V3"
month = 4
"""
GOOD = {
    "patients.csv": "patient,completed,reason\nP1,yes,\nP2,no,withdrew consent\nP3,,\n",
    "tracts.csv": "patient,tract,site\nP1,T1,anterior\nP1,T2,\n",
    "missing.csv": "patient,tract,timepoint,reason\nP1,T1,v3,Closed_no_tissue\nP2,,V3,withdrew\n",
}


def study(folder: Path, **files: str):
    for name, text in {**GOOD, **{key.replace("_csv", ".csv"): text for key, text in files.items()}}.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "study.toml").write_text(STUDY)
    loaded = load_study(folder)
    assert loaded is not None
    return loaded


def test_what_the_tables_say(tmp_path: Path) -> None:
    tables = study(tmp_path).trial_tables()
    assert [row.completed for row in tables.patients] == [True, False, None]
    assert tables.tracts[0].site == "anterior"
    assert tables.why_missing("P1", "T1", "V3") == "closed_no_tissue"
    assert tables.why_missing("P2", "T7", "V3") == "withdrew"
    assert tables.why_missing("P1", "T2", "V3") == "not_recorded"


def test_loading_a_study_does_not_open_them(tmp_path: Path) -> None:
    """Slides are read blind, and `closed_no_tissue` tells how a tract fared."""
    loaded = study(tmp_path, missing_csv="nonsense")
    with pytest.raises(StudyError, match=r"missing.csv"):
        loaded.trial_tables()


def test_an_empty_table_of_missing_biopsies_is_good_news(tmp_path: Path) -> None:
    assert study(tmp_path, missing_csv="patient,tract,timepoint,reason\n").trial_tables().missing == ()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"patients_csv": "patient,arm\nP1,a\n"}, "patients.csv: row 1, column 'arm' tells arm or outcome"),
        (
            {"patients_csv": "patient,completed\nP1,perhaps\n"},
            "row 2, column completed: 'perhaps' is neither",
        ),
        ({"patients_csv": "patient\nP1\nP1\n"}, "row 3, column patient: 'P1' is already in row 2"),
        ({"tracts_csv": "patient,tract\nP1,\n"}, "row 2, column tract: '' is empty"),
        (
            {"missing_csv": "patient,timepoint,reason\nP1,V2,withdrew\n"},
            r"'V2' is not declared \(declared: V1, V3\)",
        ),
        (
            {"missing_csv": "patient,timepoint,reason\nP1,V3,lost\n"},
            "'lost' is no reason code; use one of closed",
        ),
    ],
)
def test_faults_name_file_row_column_and_cure(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        study(tmp_path, **files).trial_tables()


def test_a_table_that_is_not_there_is_said_when_it_is_read(tmp_path: Path) -> None:
    loaded = study(tmp_path)
    (tmp_path / "tracts.csv").unlink()
    with pytest.raises(StudyError, match=r"\[tables\] tracts: 'tracts.csv' is not there"):
        loaded.trial_tables()
