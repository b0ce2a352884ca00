from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.errors import StudyError
from histoquant.study.outcomes import read_outcomes


def outcomes(tmp_path: Path, text: str):
    path = tmp_path / "outcomes.csv"
    path.write_text(text, encoding="utf-8")
    return read_outcomes(path)


def test_patients_and_tracts(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        "patient,tract,arm,response,event_leak\n"
        "P1,,exosome,closed,no\nP2,T1,placebo,closed,\nP2,T2,placebo,resistant,yes\nP3,T1,placebo,resistant,no\n",
    )
    assert dict(found.response) == {"P1": "closed", "P2": "improved", "P3": "resistant"}
    assert found.derived == {"P2", "P3"}
    assert found.tract_response[("P2", "T1")] == "closed"
    assert found.arms == ("placebo", "exosome")
    assert dict(found.events["leak"]) == {"P1": False, "P2": True, "P3": False}


def test_arms_without_a_known_reference_go_by_name(tmp_path: Path) -> None:
    assert outcomes(tmp_path, "patient,arm\nP1,high\nP2,low\n").arms == ("high", "low")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("patient,response\nP1,healed\n", r"row 2, column response: 'healed' is no response; use one of"),
        ("patient,arm\nP1,a\nP1,b\n", r"row 3, column patient: 'P1' is already in row 2"),
        ("patient,tract,arm\nP1,T1,a\nP1,T2,b\n", r"row 3, column arm: 'b' contradicts 'a'"),
        ("patient,arm\nP1,Placebo\nP2,placebo\n", r"row 3, column arm: 'placebo' is 'Placebo' in an earlier"),
        ("patient,event_leak\nP1,maybe\n", r"row 2, column event_leak: 'maybe' is neither yes nor no"),
        ("patient,respons\nP1,closed\n", r"unknown column 'respons'. Did you mean 'response'"),
        ("arm\na\n", r"row 1: no column 'patient'"),
        ("patient,arm\n", r"no rows"),
        ("patient,arm\n=P1,a\n", r"row 2, column patient: '=P1' cannot be used"),
    ],
)
def test_faults_name_row_column_and_cure(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        outcomes(tmp_path, text)
