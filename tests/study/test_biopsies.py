from __future__ import annotations

import csv
import io
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histoquant.errors import StudyError
from histoquant.metrics.density import poisson_interval
from histoquant.store.csv_table import csv_bytes
from histoquant.study import Reference, Study, biopsies, component_values, load_study
from histoquant.study.inflammation import NO_REFERENCE

POINTS = """
[[timepoints]]
label = "M10"
month = 10
[[timepoints]]
label = "M0"
month = 0
[[timepoints]]
label = "M2"
month = 2
"""


def slide(patient: str | None, timepoint: str | None, marker: str | None, **cells: Any) -> dict[str, Any]:
    row = {
        "slide_id": f"{patient}_{timepoint}_{marker}_{cells.get('section', '')}",
        "status": "OK",
        "reason": None,
        "flags": "",
        "patient": patient,
        "tract": "T1",
        "timepoint": timepoint,
        "marker": marker,
        "tissue_mm2": 2.0,
        "nuclei": 1000,
        "positive": 100,
        "positive_area_percent": 3.0,
    }
    if marker == "CD20":
        row |= {"diffuse_per_mm2": 40.0, "aggregates": 2, "aggregate_area_percent": 10.0, "positive": 272}
    if marker == "CD31":
        row |= {
            **{"positive": None, "vessels": 60, "endothelial_area_percent": 4.0, "lumen_area_percent": 2.0},
            "median_diameter_um": 11.5,
        }
    return {**row, **cells}


def table(*rows: dict[str, Any], study: Study | None = None) -> pd.DataFrame:
    return biopsies(pd.DataFrame(list(rows)), study)


def study_of(folder: Path, toml: str = POINTS) -> Study:
    (folder / "study.toml").write_text(toml)
    study = load_study(folder)
    assert study is not None
    return study


def test_one_row_per_patient_tract_and_timepoint_with_every_marker() -> None:
    result = table(
        *(slide("P1", "M0", marker) for marker in ("CD68", "CD20", "CD31")), slide("P1", "M2", "CD68")
    )
    assert list(zip(result["patient"], result["timepoint"], strict=True)) == [("P1", "M0"), ("P1", "M2")]
    row = result.iloc[0]
    assert (row["cd68_per_mm2"], row["cd68_positive"], row["cd68_area_percent"]) == (50, 100, 3)
    assert (row["cd68_tissue_mm2"], row["cd68_sections"], row["cd68_status"]) == (2.0, 1, "OK")
    interval = poisson_interval(100, 2.0)
    assert (row["cd68_per_mm2_low"], row["cd68_per_mm2_high"]) == (interval.low, interval.high)
    assert (row["cd20_diffuse_per_mm2"], row["cd20_diffuse_positive"], row["cd20_diffuse_mm2"]) == (
        40,
        72,
        1.8,
    )
    assert (row["cd20_aggregates"], row["cd20_aggregate_area_percent"]) == (2, 10)
    assert (row["cd31_vessels_per_mm2"], row["cd31_vessels"], row["cd31_endothelial_area_percent"]) == (
        30,
        60,
        4,
    )
    assert (row["cd31_lumen_area_percent"], row["cd31_median_diameter_um"]) == (2, 11.5)
    assert result.iloc[1]["cd20_status"] == "MISSING"
    assert math.isnan(result.iloc[1]["cd20_per_mm2"])


def test_without_reference_the_score_is_empty_and_says_how_to_get_one() -> None:
    row = table(*(slide("P1", "M0", marker) for marker in ("CD68", "CD20"))).iloc[0]
    assert math.isnan(row["inflammation_score"])
    assert pd.isna(row["inflammation_grade"])
    assert row["score_status"] == NO_REFERENCE
    assert "`histoquant reference`" in NO_REFERENCE
    assert "[inflammation] reference" in NO_REFERENCE


def test_a_doubled_section_doubles_counts_and_area_and_leaves_the_density() -> None:
    for marker in ("CD68", "CD20", "CD31"):
        one = table(slide("P1", "M0", marker, section="1")).iloc[0]
        two = table(slide("P1", "M0", marker, section="1"), slide("P1", "M0", marker, section="2")).iloc[0]
        prefix = marker.lower()
        for name in one.index[one.index.str.startswith(f"{prefix}_")]:
            if name.endswith(("per_mm2", "percent")):
                assert two[name] == pytest.approx(one[name]), name
            elif name.endswith(
                ("positive", "tissue_mm2", "diffuse_mm2", "aggregates", "vessels", "sections")
            ):
                assert two[name] == pytest.approx(2 * one[name]), name
        main = "cd31_vessels_per_mm2" if marker == "CD31" else f"{prefix}_per_mm2"
        assert two[f"{main}_high"] - two[f"{main}_low"] < one[f"{main}_high"] - one[f"{main}_low"]


def test_one_slide_keeps_its_own_wider_interval() -> None:
    for marker, count, main in (("CD68", 100, "cd68_per_mm2"), ("CD31", 60, "cd31_vessels_per_mm2")):
        wide = poisson_interval(count, 2.0, 3.7)
        row = table(slide("P1", "M0", marker, positive_per_mm2_high=wide.high)).iloc[0]
        assert row[f"{main}_low"] == pytest.approx(wide.low, rel=1e-6)
        assert row[f"{main}_high"] == pytest.approx(wide.high, rel=1e-6)


def test_the_order_of_slides_does_not_matter() -> None:
    rows = [
        slide(patient, point, marker, section=section, tissue_mm2=0.7 + 0.1 * n)
        for n, (patient, point, marker, section) in enumerate(
            (patient, point, marker, section)
            for patient in ("P2", "P10", "P1")
            for point in ("M10", "M0", "M2")
            for marker in ("CD68", "CD20", "CD31", "HE")
            for section in ("1", "2")
        )
    ]
    expected = table(*rows)
    assert list(dict.fromkeys(expected["patient"])) == ["P1", "P2", "P10"]
    assert list(expected["timepoint"][:3]) == ["M0", "M2", "M10"]
    for seed in range(3):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert csv_bytes(table(*shuffled)) == csv_bytes(expected)


def test_timepoints_sort_by_month_not_by_label(tmp_path: Path) -> None:
    study = study_of(tmp_path, POINTS.replace('"M10"', '"A-last"'))
    result = table(
        *(slide("P1", point, "CD68") for point in ("A-last", "M2", "unplanned", "M0")), study=study
    )
    assert list(result["timepoint"]) == ["M0", "M2", "A-last", "unplanned"]
    assert result["month"].tolist()[:3] == [0, 2, 10]
    assert math.isnan(result["month"].iloc[3])


def test_duplicate_sections_empty_the_marker_and_name_the_slides() -> None:
    first, second = slide("P1", "M0", "CD68"), {**slide("P1", "M0", "CD68"), "slide_id": "again"}
    result = table(first, second, slide("P1", "M0", "CD20"), slide("P2", "M0", "CD68"))
    row = result.iloc[0]
    assert row["cd68_status"].startswith("DUPLICATE_SECTION (P1_M0_CD68_, again: ")
    assert math.isnan(row["cd68_per_mm2"])
    assert row["cd20_per_mm2"] == 136
    assert row["score_status"].startswith("CD68: DUPLICATE_SECTION")
    assert result.iloc[1]["cd68_per_mm2"] == 50


def test_failed_slides_leave_a_row_with_their_reason() -> None:
    row = table(slide("P1", "M0", "CD68", status="REFUSED", reason="NO_MPP: no um/px", positive=None)).iloc[0]
    assert (row["cd68_status"], row["cd68_sections"]) == ("REFUSED NO_MPP", 0)
    assert pd.isna(row["cd68_positive"])
    assert row["score_status"].startswith("CD68: REFUSED NO_MPP; CD20: MISSING; NO_REFERENCE")


def test_slides_of_nobody_are_left_out() -> None:
    assert table(slide(None, "M0", "CD68"), slide("P1", None, "CD68")).empty
    assert (
        table(slide(None, "M0", "CD68")).columns.tolist() == table(slide("P1", "M0", "CD68")).columns.tolist()
    )


def test_types_are_the_same_full_or_empty() -> None:
    full = table(*(slide("P1", "M0", marker) for marker in ("CD68", "CD20", "CD31")))
    assert full.dtypes.astype(str).to_dict() == biopsies(pd.DataFrame()).dtypes.astype(str).to_dict()


def test_little_tissue_gives_a_value_and_no_score(tmp_path: Path) -> None:
    study = with_reference(tmp_path)
    low = slide("P1", "M0", "CD68", tissue_mm2=0.2, positive=8)
    row = table(low, slide("P1", "M0", "CD20"), study=study).iloc[0]
    assert row["cd68_per_mm2"] == 40
    assert math.isnan(row["inflammation_score"])
    assert row["score_status"] == "CD68: INSUFFICIENT_TISSUE (0.2 mm2 < 0.25 mm2)"


def test_other_markers_get_a_panel_of_their_own() -> None:
    result = table(
        slide("P1", "M0", "nuclear", positive=150),
        slide("P1", "M0", "H&E", positive=None),
        slide("P1", "M0", "My marker", positive=10),
    )
    row = result.iloc[0]
    assert (row["nuclear_per_mm2"], row["nuclear_positive_percent"], row["nuclear_nuclei"]) == (75, 15, 1000)
    assert (row["he_nuclei_per_mm2"], row["he_status"]) == (500, "OK")
    assert row["my_marker_per_mm2"] == 5
    assert "he_per_mm2" not in result


def test_no_tissue_is_empty_and_no_positives_is_zero() -> None:
    row = table(slide("P1", "M0", "CD68", tissue_mm2=0.0, positive=0)).iloc[0]
    assert (row["cd68_status"], math.isnan(row["cd68_per_mm2"])) == ("NO_TISSUE", True)
    row = table(slide("P1", "M0", "CD68", positive=0)).iloc[0]
    assert (row["cd68_per_mm2"], row["cd68_per_mm2_low"]) == (0, 0)
    assert row["cd68_per_mm2_high"] == pytest.approx(3.689 / 2, rel=1e-3)


def test_flags_of_the_slides_stay_with_the_biopsy() -> None:
    row = table(
        slide("P1", "M0", "CD68", status="OK_WITH_FLAGS", flags="BLUR;FEW_NUCLEI"),
        slide("P1", "M0", "CD20", flags=("PEN",)),
    ).iloc[0]
    assert row["flags"] == "CD20 PEN;CD68 BLUR;CD68 FEW_NUCLEI"


def test_identifiers_read_back_as_numbers_and_missing_tracts() -> None:
    rows = [slide("1", "0", "CD68"), slide("2", "0", "CD68")]
    frame = pd.read_csv(io.StringIO(pd.DataFrame(rows).drop(columns="tract").to_csv(index=False)))
    result = biopsies(frame)
    assert result["patient"].tolist() == ["1", "2"]
    assert result["tract"].tolist() == [None, None]


@pytest.mark.parametrize(
    "payload", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")', "=cmd|'/C x'!A0"]
)
def test_formula_like_text_is_quoted_in_the_written_table(payload: str) -> None:
    written = csv_bytes(table(slide("P1", "M0", payload, section="1"), slide(f"{payload}x", "M0", "CD68")))
    for row in csv.reader(io.StringIO(written.decode(), newline="")):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or math.isfinite(float(cell))


def test_the_written_table_holds_no_nan() -> None:
    written = csv_bytes(table(slide("P1", "M0", "CD68"), slide("P2", "M0", "CD20", status="FAILED"))).decode()
    cells = {cell for row in csv.reader(io.StringIO(written)) for cell in row}
    assert cells.isdisjoint({"nan", "NaN", "None", "<NA>", "inf", "NaT"})


def baseline(n: int, flat: bool = False, **cells: Any) -> list[dict[str, Any]]:
    generator = np.random.default_rng(1)
    return [
        slide(f"R{number}", point, marker, positive=int(count), **extra, **cells)
        for number in range(n)
        for point in ("M0", "M2")
        for marker, count, extra in (
            ("CD68", generator.integers(50, 500), {}),
            (
                *("CD20", generator.integers(300, 900)),
                {
                    "diffuse_per_mm2": int(generator.integers(20, 200)) / 1.8,
                    "aggregate_area_percent": 0.0 if flat else float(generator.uniform(0, 20)),
                },
            ),
        )
    ]


def with_reference(folder: Path, n: int = 12, toml: str = "", **cells: Any) -> Study:
    Reference.from_biopsies(table(*baseline(n, **cells)), "M0", id="pilot").save(folder / "reference.json")
    return study_of(folder, POINTS + f"[inflammation]\nreference = 'reference.json'\n{toml}")


def test_a_frozen_baseline_scores_follow_up(tmp_path: Path) -> None:
    study = with_reference(tmp_path)
    assert study.reference is not None
    assert (study.reference.n, study.reference.method, study.reference.baseline) == (12, "anchored", "M0")
    result = table(*baseline(12), study=study)
    assert result["inflammation_score"].between(0, 100).all()
    assert result["score_status"].str.startswith("OK").all()
    assert set(result["inflammation_reference"]) == {"pilot"}
    first = result.iloc[0]
    assert study.reference.position("cd68", math.log((first["cd68_positive"] + 0.5) / 2.0))[0] >= 0
    assert 30 < result.loc[result["timepoint"] == "M0", "inflammation_score"].mean() < 70


def test_components_are_logs_of_densities_and_the_root_of_a_share() -> None:
    values = component_values(table(slide("P1", "M0", "CD68"), slide("P1", "M0", "CD20"))).iloc[0]
    assert values["cd68"] == pytest.approx(math.log(100.5 / 2.0))
    assert values["cd20_diffuse"] == pytest.approx(math.log(72.5 / 1.8))
    assert values["cd20_aggregates"] == pytest.approx(math.sqrt(0.1))
    none = component_values(table(slide("P1", "M0", "CD68", positive=0))).iloc[0]
    assert none["cd68"] == pytest.approx(math.log(0.5 / 2.0))
    assert math.isnan(none["cd20_diffuse"])


def test_the_reference_holds_baseline_biopsies_only() -> None:
    everything = table(*baseline(12))
    alone = everything[everything["timepoint"] == "M0"]
    assert Reference.from_biopsies(everything, "M0") == Reference.from_biopsies(alone, "M0")
    assert Reference.from_biopsies(everything, "M0") == Reference.from_biopsies(everything.iloc[::-1], "M0")
    values = Reference.from_biopsies(everything, "M0").components["cd68"]
    assert values == tuple(sorted(np.log((alone["cd68_positive"].astype(float) + 0.5) / 2.0)))
    with pytest.raises(StudyError, match="no biopsy at 'M4'"):
        Reference.from_biopsies(everything, "M4")


def test_mixed_clones_cannot_be_frozen_together() -> None:
    rows = baseline(12)
    for number, row in enumerate(rows):
        row["clone"] = "KP1" if number < 4 else "PG-M1"
    with pytest.raises(StudyError, match=r"several clones \(KP1, PG-M1\)"):
        Reference.from_biopsies(table(*rows), "M0")


def test_another_clone_than_the_references_is_not_scored(tmp_path: Path) -> None:
    study = with_reference(tmp_path, clone="KP1")
    rows = [slide("P1", "M0", "CD68", clone="PG-M1"), slide("P1", "M0", "CD20", clone="KP1")]
    row = table(*rows, study=study).iloc[0]
    assert row["score_status"] == "CLONE_DIFFERS (CD68 PG-M1, reference KP1)"
    assert math.isnan(row["inflammation_score"])


def test_a_small_or_flat_reference_gives_no_score_with_its_reason(tmp_path: Path) -> None:
    row = table(*baseline(1), study=with_reference(tmp_path, n=2)).iloc[0]
    assert row["score_status"] == "REFERENCE_TOO_SMALL (n=2 < 10)"
    assert math.isnan(row["inflammation_score"])
    (tmp_path / "reference.json").unlink()
    row = table(*baseline(1), study=with_reference(tmp_path, flat=True)).iloc[0]
    assert row["score_status"].startswith("DEGENERATE_REFERENCE (cd20_aggregates")


@pytest.mark.parametrize("rule", ["forbid", "renormalise"])
def test_partial_scores_are_apart_and_carry_their_markers(tmp_path: Path, rule: str) -> None:
    study = with_reference(tmp_path, toml=f"partial = '{rule}'\n")
    row = table(slide("P1", "M0", "CD68", positive=200), study=study).iloc[0]
    assert math.isnan(row["inflammation_score"])
    assert pd.isna(row["inflammation_grade"])
    if rule == "forbid":
        assert row["score_status"] == "CD20: MISSING"
        assert math.isnan(row["inflammation_score_partial"])
    else:
        assert row["score_status"].startswith("HII_partial(cd68); CD20: MISSING")
        assert 0 <= row["inflammation_score_partial"] <= 100


def test_all_aggregate_keeps_the_share_and_loses_the_score(tmp_path: Path) -> None:
    full = slide("P1", "M0", "CD20", tissue_mm2=1.0, aggregate_area_percent=97.0, diffuse_per_mm2=None)
    row = table(full, slide("P1", "M0", "CD68"), study=with_reference(tmp_path)).iloc[0]
    assert (row["cd20_aggregate_area_percent"], row["cd20_status"]) == (97, "OK; diffuse ALL_AGGREGATE")
    assert row["score_status"] == "CD20: diffuse ALL_AGGREGATE"


def test_scores_saturate_loudly_and_tell_a_foreign_version(tmp_path: Path) -> None:
    made = Reference.from_biopsies(table(*baseline(12)), "M0")
    old = Reference.model_validate({**made.model_dump(), "pipeline_version": "0.0.1"})
    old.save(tmp_path / "reference.json")
    study = study_of(tmp_path, "[inflammation]\nreference = 'reference.json'\n")
    rows = [slide("P1", "M0", "CD68", positive=10**6), slide("P1", "M0", "CD20")]
    status = table(*rows, study=study).iloc[0]["score_status"]
    assert status.startswith("OK; SATURATED (cd68")
    assert "REFERENCE_VERSION (0.0.1" in status


def test_an_edited_reference_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    with_reference(tmp_path)
    path = tmp_path / "reference.json"
    path.write_text(path.read_text().replace('"n": 12', '"n": 13'))
    with pytest.raises(StudyError, match="changed since it was frozen"):
        load_study(tmp_path)
