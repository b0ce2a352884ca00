from __future__ import annotations

import os
from pathlib import Path

import pytest

from histoquant.errors import StudyError
from histoquant.study import SlideTable, read_slide_table


def read(folder: Path, text: str | bytes, timepoints: tuple[str, ...] = ()) -> SlideTable:
    path = folder / "slides.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_slide_table(path, folder, timepoints)


def fault(folder: Path, text: str | bytes, timepoints: tuple[str, ...] = ()) -> str:
    with pytest.raises(StudyError) as raised:
        read(folder, text, timepoints)
    message = str(raised.value)
    assert message.startswith("slides.csv: ")
    assert "\n" not in message
    return message


def test_all_columns_in_any_order_and_case(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "Patient,tract,TIMEPOINT,marker,section,block,batch,clone,mpp, slide \n"
        "P01,T1,m0,CD68,1,B2,run-3,PG-M1,0.2527,sub/a.svs\n\n"
        "P02,,,H&E,,,,,,b.svs\n",
        ("M0", "M2"),
    )
    first, second = table.rows
    assert (first.patient, first.tract, first.timepoint, first.marker) == ("P01", "T1", "M0", "CD68")
    assert (first.section, first.block, first.batch, first.clone, first.mpp) == (
        "1",
        "B2",
        "run-3",
        "PG-M1",
        0.2527,
    )
    assert first.path == tmp_path.resolve() / "sub" / "a.svs"
    assert (second.line, second.tract, second.mpp, second.marker) == (4, None, None, "H&E")


def test_control_slides_say_their_kind(tmp_path: Path) -> None:
    table = read(tmp_path, "slide,control\na.svs,Positive\nb.svs, negative\nc.svs,\n")
    assert [row.control for row in table.rows] == ["positive", "negative", None]


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_separators_line_ends_and_marks_of_spreadsheets(tmp_path: Path, separator: str) -> None:
    text = f'slide{separator}patient\r\n"a b.svs"{separator}P01\r\n'
    table = read(tmp_path, b"\xef\xbb\xbf" + text.encode())
    assert [(row.slide, row.patient) for row in table.rows] == [("a b.svs", "P01")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("slide,patient\na.svs,P 1\n", ["row 2", "column patient", "'P 1'", "letters"]),
        ("slide,patient\na.svs," + "x" * 65 + "\n", ["column patient", "at most 64"]),
        ("slide,mpp\na.svs,0;25\n", ["row 2", "column mpp", "'0;25'", "like 0.25"]),
        ("slide,mpp\na.svs,0\n", ["column mpp"]),
        ("slide,mpp\na.svs,-0.5\n", ["column mpp"]),
        ("slide,mpp\na.svs,nan\n", ["column mpp"]),
        ("slide,mpp\na.svs,inf\n", ["column mpp"]),
        ("slide,mpp\na.svs,0_5\n", ["column mpp"]),
        ("slide,sha256\na.svs,abc\n", ["row 2", "column sha256", "'abc'", "64 digits"]),
        ("slide,control\na.svs,tonsil\n", ["row 2", "column control", "'tonsil'", "positive or negative"]),
        (
            "slide,timepoint\na.svs,M3\n",
            ["column timepoint", "'M3' is not declared", "M0, M2", "[[timepoints]]"],
        ),
        ("slide\na.svs\nb.svs\na.svs\n", ["row 4", "column slide", "already in row 2"]),
        ("slide\na.svs\n./a.svs\n", ["row 3", "already in row 2"]),
        ("slide,patient\na.svs\n", ["row 2", "1 cells", "has 2"]),
        ("slide,pateint\na.svs,1\n", ["row 1", "'pateint'", "Did you mean 'patient'"]),
        ("slide,slide\na.svs,b\n", ["'slide' occurs twice"]),
        ("patient\nP1\n", ["no column 'slide'"]),
        ("slide\n", ["no slides listed"]),
        ("", ["no column 'slide'"]),
        ('slide\n"a.svs\n', ["row 2", "quotes"]),
        (b"slide\n\xff\xfe.svs\n", ["not UTF-8", "CSV UTF-8"]),
        (b"slide\na\x00.svs\n", ["not a slide table"]),
    ],
)
def test_each_fault_names_row_column_and_cure(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    message = fault(tmp_path, text, ("M0", "M2"))
    assert [part for part in expected if part not in message] == [], message


def test_all_faults_are_told_at_once_up_to_twenty(tmp_path: Path) -> None:
    message = fault(tmp_path, "slide,mpp\n" + "".join(f"{n}.svs,x\n" for n in range(25)))
    assert message.count("column mpp") == 20
    assert message.endswith("and 5 more.")


@pytest.mark.parametrize(
    "column", ["arm", "Outcome", "response", "treatment", "treatment_arm", "month_10_response"]
)
def test_arm_and_outcome_columns_are_turned_away(tmp_path: Path, column: str) -> None:
    message = fault(tmp_path, f"slide,{column}\na.svs,exosome\n")
    assert "histoquant study OUT --outcomes FILE" in message
    assert "exosome" not in message


TRAVERSALS = [
    "../a.svs",
    "sub/../../a.svs",
    "sub/../a.svs",
    "..",
    "sub\\..\\..\\a.svs",
    "/etc/passwd",
    "\\\\server\\share\\a.svs",
    "//server/share/a.svs",
    "C:\\slides\\a.svs",
    "c:a.svs",
    "file:///etc/passwd",
    "https://example.org/a.svs",
    "~/a.svs",
    "~root/a.svs",
    "NUL",
    "sub/con.svs",
    ".. /a.svs",
    "a\x07.svs",
    ".",
]


@pytest.mark.parametrize("text", TRAVERSALS)
def test_slides_outside_the_study_folder_are_refused(tmp_path: Path, text: str) -> None:
    assert "row 2, column slide" in fault(tmp_path, f'slide\n"{text}"\n')


def test_links_out_of_the_folder_loops_and_pipes_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (tmp_path / "secret.svs").write_bytes(b"x")
    (folder / "link.svs").symlink_to(tmp_path / "secret.svs")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe.svs")
    (folder / "inside.svs").symlink_to(folder / "real.svs")
    assert "through a link" in fault(folder, "slide\nlink.svs\n")
    assert "through a link" in fault(folder, "slide\nup/secret.svs\n")
    assert "loop" in fault(folder, "slide\nloop/a.svs\n")
    assert "neither a file nor a folder" in fault(folder, "slide\npipe.svs\n")
    assert read(folder, "slide\ninside.svs\n").rows[0].path == folder.resolve() / "real.svs"


@pytest.mark.parametrize(
    "payload", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "'=1"]
)
def test_formulas_cannot_be_ids(tmp_path: Path, payload: str) -> None:
    assert "column patient" in fault(tmp_path, f'slide,patient\na.svs,"{payload}"\n')


def test_slides_are_found_by_place_by_name_and_in_either_unicode_form(tmp_path: Path) -> None:
    table = read(tmp_path, "slide,patient\nsub/a.svs,P1\nb.svs,P2\nc,P3\nZo\u00eb.svs,P4\n")

    def patient(path: Path) -> str | None:
        row = table.find(path)
        return row.patient if row is not None else None

    assert patient(tmp_path / "sub" / "a.svs") == "P1"
    assert patient(tmp_path / "other" / "a.svs") is None  # a folder was named: only that one
    assert patient(tmp_path / "deep" / "b.svs") == "P2"
    assert patient(tmp_path / "c.ome.tif") == "P3"
    assert patient(tmp_path / "Zoe\u0308.svs") == "P4"


def test_a_row_that_lies_in_place_does_not_catch_namesakes(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_bytes(b"")
    table = read(tmp_path, "slide,patient\na.svs,P1\n")
    assert table.find(tmp_path / "sub" / "a.svs") is None
    assert table.find(tmp_path / "a.svs") == table.rows[0]


def test_a_row_that_fits_two_slides_is_refused(tmp_path: Path) -> None:
    table = read(tmp_path, "slide\na.svs\n")
    with pytest.raises(
        StudyError, match=r"row 2, column slide: 'a.svs' fits both.*relative to the study folder"
    ):
        table.match([tmp_path / "x" / "a.svs", tmp_path / "y" / "a.svs"])
