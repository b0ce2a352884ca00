"""Tables as spreadsheets save them: separators, hints, decimal commas, empty columns, encodings."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.errors import StudyError
from histoquant.study.csv_cells import read_lines

KNOWN = ("patient", "tract", "value")


def said(tmp_path: Path, content: bytes) -> list[dict[str, str]]:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    lines, faults = read_lines(path, KNOWN, ("patient",), kind="table", numbers=("value",))
    assert faults == []
    return [dict(line.said) for line in lines]


WANTED = [
    {"patient": "P1", "tract": "T1", "value": "12.5"},
    {"patient": "P2", "tract": "", "value": "-3"},
]


@pytest.mark.parametrize(
    "content",
    [
        b"patient,tract,value\nP1,T1,12.5\nP2,,-3\n",
        b"\xef\xbb\xbfPatient;Tract;Value\r\nP1;T1;12,5\r\nP2;;-3\r\n",
        b'sep=;\r\npatient;tract;value\r\n"P1";T1;12,5\r\n;;\r\nP2;;-3\r\n',
        b'"sep=\t"\r\npatient\ttract\tvalue\r\nP1\tT1\t12.5\r\nP2\t\t-3\r\n',
        b"patient;tract;value;;\r\nP1;T1;12,5;;\r\nP2;;-3;;\r\n;;;;\r\n",
        b"patient,tract,value\rP1,T1,12.5\rP2,,-3",
    ],
    ids=["plain", "german excel", "excel's hint", "hint of tabs", "empty columns", "old line ends"],
)
def test_spreadsheets_are_read_alike(tmp_path: Path, content: bytes) -> None:
    assert said(tmp_path, content) == WANTED


def test_a_comma_between_commas_is_no_decimal_sign(tmp_path: Path) -> None:
    assert said(tmp_path, b'patient,tract,value\nP1,T1,"12,5"\n')[0]["value"] == "12,5"
    # nor is one in a name, or a second one
    assert said(tmp_path, b"patient;tract;value\nP1;1,5;1,234,567\n") == [
        {"patient": "P1", "tract": "1,5", "value": "1,234,567"}
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"patient;;value\nP1;x;3\n", "column 2 has no name"),
        (b"", "no column 'patient'"),
        (b"sep=;\n", "no column 'patient'"),
        ("patient,tract\nMüller,T1\n".encode("cp1252"), "CSV UTF-8"),
        ("patient,tract\nP1,T1\n".encode("utf-16"), "CSV UTF-8"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=says):
        read_lines(path, KNOWN, ("patient",), kind="table")


def test_a_cell_beyond_the_header_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"patient;value;\nP1;3;x\nP2;4;\n")
    lines, faults = read_lines(path, KNOWN, ("patient",), kind="table")
    assert [line.said["patient"] for line in lines] == ["P2"]
    assert "row 2: 3 cells, the header (row 1) has 2" in faults[0]
