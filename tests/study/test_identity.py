from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoquant.errors import StudyError
from histoquant.study import SlideIdentity, Study, identify, identify_slides, load_study
from histoquant.study.patterns import parse_name, slide_stem
from histoquant.study.slide_ids import safe_id, unique_ids

MARKERS = ("CD68", "CD20", "CD31", "HE", "nuclear", "membrane", "cytoplasmic")


def who(name: str, study: Study | None = None, marker: str | None = None) -> SlideIdentity:
    return identify(Path("slides") / name, study, marker, known_markers=MARKERS)


def study_of(folder: Path, toml: str = "", table: str | None = None) -> Study:
    if table is not None:
        (folder / "slides.csv").write_text(table, encoding="utf-8")
        toml = f"[slides]\ntable = 'slides.csv'\n{toml}"
    (folder / "study.toml").write_text(toml, encoding="utf-8")
    study = load_study(folder)
    assert study is not None
    return study


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("P03_T1_M2_CD68.svs", ("P03", "T1", "M2", "CD68", None, "pattern")),
        ("P03_T1_M2_cd68.ome.tif", ("P03", "T1", "M2", "CD68", None, "pattern")),
        ("P03_T1_M2_CD68_S2.tif", ("P03", "T1", "M2", "CD68", "S2", "pattern")),
        ("P03_T1_M2_CD31_scan2_sec04.ndpi", ("P03", "T1", "M2", "CD31", "sec04", "pattern")),
        ("P03_T1_M2_H&E.svs", ("P03", "T1", "M2", "HE", None, "pattern")),
        ("P-03_T1_M2.5_CD20", ("P-03", "T1", "M2.5", "CD20", None, "pattern")),
        ("P03_T1_CD68.svs", ("P03", "T1", None, "CD68", None, "name")),
        ("P03_T1_CD68_S2.svs", ("P03", "T1", None, "CD68", "S2", "name")),
        ("P03_CD68.svs", (None, None, None, "CD68", None, "name")),
        ("colon CD31 2026.svs", (None, None, None, "CD31", None, "name")),
        ("cd20-biopsy.png", (None, None, None, "CD20", None, "name")),
        ("CD68.svs", (None, None, None, "CD68", None, "name")),
        ("CMU-1-Small-Region.svs", (None, None, None, None, None, "none")),
        ("a_b_c_d.svs", (None, None, None, None, None, "none")),
        ("CD680_x.svs", (None, None, None, None, None, "none")),
        ("__M0_CD68.svs", (None, None, None, "CD68", None, "name")),
        ("CD68_CD20_x.svs", (None, None, None, None, None, "none")),
    ],
)
def test_names_without_a_study(name: str, expected: tuple[str | None, ...]) -> None:
    found = who(name)
    assert (
        found.patient,
        found.tract,
        found.timepoint,
        found.marker,
        found.section,
        found.source,
    ) == expected


def test_two_markers_in_a_name_are_not_chosen_between() -> None:
    found = who("CD68_CD20_x.svs", marker="CD31")
    assert found.marker == "CD31"
    assert found.flags == ("NAME_UNREADABLE",)
    assert "CD20, CD68" in found.notes[0].message


def test_the_option_fills_a_gap_and_nothing_else() -> None:
    assert (who("x.svs", marker="cd68").marker, who("x.svs", marker="cd68").source) == ("CD68", "option")
    kept = who("P03_T1_M2_CD68.svs", marker="CD20")
    assert kept.marker == "CD68"
    assert kept.flags == ("MARKER_CONFLICT",)
    assert who("P03_T1_M2_CD68.svs", marker="cd-68").flags == ()


def test_the_study_files_marker_is_the_options_default(tmp_path: Path) -> None:
    study = study_of(tmp_path, "[run]\nmarker = 'CD31'\n")
    assert who("x.svs", study).marker == "CD31"
    assert who("x.svs", study, "CD20").marker == "CD20"


def test_the_table_wins_and_conflicts_are_told(tmp_path: Path) -> None:
    study = study_of(
        tmp_path,
        table="slide,patient,tract,timepoint,marker,clone,mpp\n"
        "P03_T1_M2_CD68.svs,P04,T1,M2,CD20,L26,0.25\nP05_T1_M0_CD31.svs,,,,,,\n",
    )
    found = identify(tmp_path / "P03_T1_M2_CD68.svs", study, "CD31", known_markers=MARKERS)
    assert (found.patient, found.marker, found.clone, found.study_mpp, found.source) == (
        *("P04", "CD20", "L26", 0.25),
        "table",
    )
    assert [note.code for note in found.notes] == ["IDENTITY_CONFLICT", "MARKER_CONFLICT", "MARKER_CONFLICT"]
    assert "swapped" in found.notes[0].message
    filled = identify(tmp_path / "P05_T1_M0_CD31.svs", study, known_markers=MARKERS)
    assert (filled.patient, filled.timepoint, filled.marker, filled.source) == (
        "P05",
        "M0",
        "CD31",
        "pattern",
    )


def test_a_listed_slide_takes_only_the_marker_from_a_short_name(tmp_path: Path) -> None:
    study = study_of(tmp_path, table="slide,patient,tract,timepoint\nP03_T1_CD68.svs,P03,A,T1\n")
    found = identify(tmp_path / "P03_T1_CD68.svs", study, known_markers=MARKERS)
    # T1 in the name may be tract or timepoint: no conflict with either
    assert (found.tract, found.timepoint, found.marker, found.source) == ("A", "T1", "CD68", "table+name")
    assert found.notes == ()


POINTS = "[[timepoints]]\nlabel = 'M0'\nmonth = 0\n[[timepoints]]\nlabel = 'M2'\nmonth = 2\n"


def test_declared_timepoints_give_month_case_and_meaning(tmp_path: Path) -> None:
    study = study_of(tmp_path, POINTS)
    assert (who("P1_T1_m2_CD68.svs", study).timepoint, who("P1_T1_m2_CD68.svs", study).month) == ("M2", 2.0)
    short = who("P1_M0_CD68.svs", study)
    assert (short.tract, short.timepoint, short.month) == (None, "M0", 0.0)
    odd = who("P1_T1_M9_CD68.svs", study)
    assert (odd.timepoint, odd.month, odd.flags) == ("M9", None, ("TIMEPOINT_NOT_DECLARED",))


def test_a_declared_pattern_reads_other_names_and_keeps_unknown_markers(tmp_path: Path) -> None:
    study = study_of(tmp_path, "[slides]\npattern = '{ignore} {marker}-{patient}-{timepoint}'\n")
    found = who("scan7 CD20-P_01-M0 S3.svs", study)
    assert (found.marker, found.patient, found.timepoint, found.section) == ("CD20", "P_01", "M0", "S3")
    ki67 = who("scan7 CD200-P_01-M0.svs", study)
    assert (ki67.marker, ki67.flags) == ("CD200", ("UNKNOWN_MARKER",))
    assert "Did you mean 'CD20'" in ki67.notes[0].message
    assert who("else CD31.svs", study).marker == "CD31"


def test_letters_outside_ascii_are_not_turned_into_a_patient() -> None:
    found = who("Zoë_T1_M0_CD68.svs")
    assert (found.patient, found.marker, found.flags) == (None, "CD68", ("NAME_UNREADABLE",))
    assert found.slide_id == "Zoe_T1_M0_CD68"


def test_missing_slides_are_reported_with_row_and_cure(tmp_path: Path) -> None:
    study = study_of(
        tmp_path,
        table="slide,patient,timepoint,marker\nP01_T1_M0_CD68.svs,P01,M0,CD68\nP01_T1_M0_CD2O.svs,P01,M0,CD20\n"
        "here.svs,P01,M0,CD31\n",
    )
    (tmp_path / "here.svs").write_bytes(b"")
    given = [tmp_path / "P01_T1_M0_CD68.svs", tmp_path / "P01_T1_M0_CD20.svs"]
    slides, missing = identify_slides(given, study, known_markers=MARKERS)
    assert list(slides) == given
    # here.svs is on disk, only not asked for
    assert [row.identity.slide_id for row in missing] == ["P01_T1_M0_CD2O"]
    assert (missing[0].identity.patient, missing[0].identity.marker) == ("P01", "CD20")
    assert "slides.csv: row 3" in missing[0].message
    assert "Did you mean 'P01_T1_M0_CD20.svs'" in missing[0].message
    assert slides[given[1]].source == "pattern"


def test_one_row_for_two_slides_stops_the_run(tmp_path: Path) -> None:
    study = study_of(tmp_path, table="slide\na.svs\n")
    with pytest.raises(StudyError, match="fits both"):
        identify_slides([tmp_path / "x/a.svs", tmp_path / "y/a.svs"], study)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.svs", "a"),
        ("a.ome.tiff", "a"),
        ("a.OME.TIF", "a"),
        ("P01.2", "P01.2"),
        ("a.b.svs", "a.b"),
        (".svs", ".svs"),
    ],
)
def test_endings(name: str, stem: str) -> None:
    assert slide_stem(Path(name)) == stem


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("P03_T1_CD68", "P03_T1_CD68"),
        ("P03 T1 (2)", "P03_T1_2"),
        ("Müller", "Muller"),
        ("../../etc/passwd", "etc_passwd"),
        ("=cmd()", "cmd"),
        ("-rf", "rf"),
        ("<img onerror=x>", "img_onerror_x"),
        ("CON", "slide_CON"),
        ("nul.tar", "slide_nul.tar"),
    ],
)
def test_ids_from_odd_names(name: str, expected: str) -> None:
    assert safe_id(name) == expected


def test_names_that_lose_letters_stay_apart() -> None:
    ids = {safe_id(name) for name in ("患者1", "患者2", "病人1", "🙂", "", "x" * 255, "x" * 254 + "y")}
    assert len(ids) == 7
    assert safe_id("患者1").startswith("1-")


SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=80))
def test_every_name_gives_a_safe_id(name: str) -> None:
    assert SAFE.fullmatch(safe_id(name))


@given(
    st.text(max_size=40),
    st.sampled_from([None, "{patient}_{tract}_{timepoint}_{marker}", "{marker}-{patient}"]),
)
def test_any_name_is_read_without_error(stem: str, pattern: str | None) -> None:
    parts = parse_name(stem, pattern, MARKERS, ("M0",))
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", text) for text in parts.fields.values())


NAMESAKES = [
    *("a/x.svs", "b/x.svs", "c/a/x.svs", "a/X.tif", "a/y.svs", "a/y.tif", "x_a.svs"),
    *("z.svs", "k/1/w.svs", "k/2/w.svs", "m/1/w.svs", "患.svs", "病.svs"),
]


def test_namesakes_get_their_folder_and_order_does_not_matter() -> None:
    root = Path("/study")
    paths = [root / name for name in NAMESAKES]
    ids = unique_ids(paths, root)
    assert len({slide_id.casefold() for slide_id in ids.values()}) == len(paths)
    assert all(SAFE.fullmatch(slide_id) for slide_id in ids.values())
    assert ids[root / "z.svs"] == "z"
    assert ids[root / "b/x.svs"] == "x_b"
    assert (ids[root / "a/y.svs"], ids[root / "a/y.tif"]) == ("y_a.svs", "y_a.tif")
    for seed in range(5):
        shuffled = random.Random(seed).sample(paths, len(paths))
        assert unique_ids(shuffled, root) == ids


def test_ids_do_not_depend_on_where_the_study_lies() -> None:
    here, there = (unique_ids([Path(root) / name for name in NAMESAKES]) for root in ("/one", "/two/deep"))
    assert list(here.values()) == list(there.values())


@given(
    st.lists(
        st.tuples(st.sampled_from("abAB"), st.sampled_from("xyX"), st.sampled_from(["svs", "tif"])),
        unique=True,
    )
)
def test_ids_are_unique_for_any_tree(parts: list[tuple[str, str, str]]) -> None:
    ids = unique_ids([Path(f"/r/{folder}/{name}.{ending}") for folder, name, ending in parts])
    assert len({slide_id.casefold() for slide_id in ids.values()}) == len(parts)
