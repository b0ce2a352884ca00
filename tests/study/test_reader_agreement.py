from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histoquant.errors import StudyError
from histoquant.phantoms.trial_tables import TableTrial, table_trial
from histoquant.study import biopsies
from histoquant.study.agreement import agreement_tables
from histoquant.study.layout import READER_TABLES, shaped
from histoquant.study.reader_file import read_readings
from histoquant.study.timeline import Visit

VISITS = (Visit("V1", 0.0), Visit("V2", 2.0), Visit("V3", 4.0))


@pytest.fixture(scope="module")
def slides() -> pd.DataFrame:
    table = table_trial(TableTrial(patients=12, tracts=16, seed=5))[0]
    per_mm2 = (table["positive"] / table["tissue_mm2"]).where(table["marker"] != "CD31")
    return table.assign(file=table["slide_id"] + ".svs", positive_per_mm2=per_mm2)


@pytest.fixture(scope="module")
def pooled(slides: pd.DataFrame) -> pd.DataFrame:
    table = biopsies(slides)
    score = 50 + 20 * np.log(table["cd68_per_mm2"] / 250)
    return table.assign(inflammation_score=score, inflammation_grade=np.clip(score // 20, 0, 4))


def compare(tmp_path: Path, slides: pd.DataFrame, pooled: pd.DataFrame, **files: pd.DataFrame | str):
    paths = []
    for name, content in files.items():
        path = tmp_path / f"{name}.csv"
        text = content if isinstance(content, str) else content.to_csv(index=False)
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    found = read_readings(paths, slides, pooled)
    tables = agreement_tables(found, pooled, VISITS)
    return {name: shaped(name, tables[name]) for name in READER_TABLES}


def cd68(slides: pd.DataFrame) -> pd.DataFrame:
    return slides[slides["marker"] == "CD68"]


def test_a_reader_who_counts_a_fifth_more_is_biased_by_a_fifth(
    tmp_path: Path, slides: pd.DataFrame, pooled: pd.DataFrame
) -> None:
    rng = np.random.default_rng(1)
    read = cd68(slides)
    values = 1.2 * read["positive_per_mm2"] * np.exp(rng.normal(0, 0.05, len(read)))
    table = pd.DataFrame({"slide": read["file"], "reader": "R1", "value": values.round(3)})
    found = compare(tmp_path, slides, pooled, r1=table)
    row = found["agreement"].set_index("level").loc["level"]
    assert (row["rater_a"], row["rater_b"], row["scale"]) == ("machine", "R1", "log")
    assert row["bias_ratio"] == pytest.approx(1.2, rel=0.02)
    assert row["bias_low"] < np.log(1.2) < row["bias_high"]
    assert row["loa_ratio_low"] < 1.2 < row["loa_ratio_high"]
    assert 0.5 < row["icc"] < 1
    assert row["readings"] == len(read)
    change = found["agreement"].set_index("level").loc["change"]
    # a constant factor cancels in a change
    assert change["bias_ratio"] == pytest.approx(1.0, abs=0.03)
    assert change["icc"] > 0.9
    assert len(found["agreement_pairs"]) == row["readings"] + change["readings"]


def test_half_a_cell_outside_aggregates_lies_on_the_tissue_outside(
    tmp_path: Path, slides: pd.DataFrame, pooled: pd.DataFrame
) -> None:
    row = pooled[pooled["cd20_diffuse_mm2"] < pooled["cd20_tissue_mm2"]].iloc[0]
    slide = slides.set_index(["patient", "tract", "timepoint", "marker"]).loc[
        (row["patient"], row["tract"], row["timepoint"], "CD20")
    ]
    place = f"{row['patient']},{row['tract']},{row['timepoint']}"
    (tmp_path / "r1.csv").write_text(
        f"slide,patient,tract,timepoint,measure,value\n,{place},cd20_diffuse_per_mm2,300\n"
        f"{slide['file']},,,,diffuse_per_mm2,300\n"
    )
    areas = list(read_readings([tmp_path / "r1.csv"], slides, pooled).area_mm2.values())
    assert areas == pytest.approx([row["cd20_diffuse_mm2"]] * 2)


def test_two_readers_a_second_read_and_grades(
    tmp_path: Path, slides: pd.DataFrame, pooled: pd.DataFrame
) -> None:
    rng = np.random.default_rng(2)
    rows = []
    for biopsy in pooled.to_dict("records"):
        place = {name: biopsy[name] for name in ("patient", "tract", "timepoint")}
        grade = biopsy["inflammation_grade"]
        for reader, reads in (("A", 2), ("B", 1)):
            for read in range(1, reads + 1):
                value = int(np.clip(grade + rng.integers(-1, 2) * (rng.random() < 0.3), 0, 4))
                rows.append(
                    {**place, "reader": reader, "read": read, "measure": "inflammation_grade", "value": value}
                )
    found = compare(tmp_path, slides, pooled, grades=pd.DataFrame(rows))["agreement"]
    levels = found[found["level"] == "level"].set_index(["rater_a", "rater_b"])
    assert set(levels.index) == {("machine", "A"), ("machine", "B"), ("A", "B"), ("A", "A (read 2)")}
    assert (levels["scale"] == "grade").all()
    assert (levels["kappa_low"] < levels["kappa"]).all()
    assert (levels["kappa"] > 0.4).all()


def test_imported_scores_are_set_beside_the_index_and_never_computed(
    tmp_path: Path, slides: pd.DataFrame, pooled: pd.DataFrame
) -> None:
    rng = np.random.default_rng(3)
    places = pooled[["patient", "tract", "timepoint"]]
    score = (pooled["inflammation_score"] / 4 + rng.normal(0, 1, len(pooled))).clip(lower=0).round(1)
    table = places.assign(reader="A", measure="geboes", value=score)
    found = compare(tmp_path, slides, pooled, geboes=table)
    assert found["agreement"].empty
    row = found["reader_scores"].iloc[0]
    assert (row["score"], row["biopsies"]) == ("geboes", len(pooled))
    assert 0.6 < row["low"] < row["spearman"] < row["high"] <= 1


def test_what_unblind_joined_is_read(tmp_path: Path, slides: pd.DataFrame, pooled: pd.DataFrame) -> None:
    read = cd68(slides).head(9)
    columns = {"reading": 1, "original_id": "x", "marker": "CD68", "section": "", "block": ""}
    first = pd.DataFrame(
        {"slide_id": read["slide_id"], **columns, "value": read["positive_per_mm2"].round(1)}
    )
    again = first.head(4).assign(reading=2)
    found = compare(tmp_path, slides, pooled, miller=pd.concat([first, again]))["agreement"]
    assert ("miller", "miller (read 2)") in set(zip(found["rater_a"], found["rater_b"], strict=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slide,reader,value\nP99,R,3\n", r"row 2, column slide: 'P99' is not a slide of this run"),
        ("slide,reader,value\nP01_T1_V1_CD68,R,many\n", r"row 2, column value: 'many' is not a number"),
        ("slide,reader,value\nP01_T1_V1_CD68,machine,3\n", r"'machine' is histoquant's own name"),
        ("slide,reader,value,read\nP01_T1_V1_CD68,R,3,0\n", r"column read: '0' is not 1, 2"),
        ("slide,reader,value,measure\nP01_T1_V1_CD68,R,3,cd86\n", r"column measure: 'cd86' is not measured"),
        ("slide,reader,value\nP01_T1_V1_CD68,R,3\nP01_T1_V1_CD68,R,4\n", r"already in row 2"),
        (
            "patient,tract,timepoint,value\nP01,T1,V1,3\n",
            r"column measure: '' is empty; biopsies have several",
        ),
        ("patient,tract,timepoint,value\nP01,T1,V8,3\n", r"P01 T1 V8 is no biopsy of this run"),
        ("slide,value,arm\nP01_T1_V1_CD68,3,a\n", r"column 'arm' tells arm or outcome"),
        ("slide,value,measure\nP01_T1_V1_CD68,1.5,nancy\n", r"'1.5' is not a whole grade"),
        ("slide,value,measure\nP01_T1_V1_CD68,100000,nancy\n", r"'100000' is not a whole grade"),
    ],
)
def test_faults_name_row_column_and_cure(
    tmp_path: Path, slides: pd.DataFrame, pooled: pd.DataFrame, text: str, said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        compare(tmp_path, slides, pooled, wrong=text)


def test_three_slides_and_one_reader_give_reasons(
    tmp_path: Path, slides: pd.DataFrame, pooled: pd.DataFrame
) -> None:
    few = cd68(slides).head(2)
    table = pd.DataFrame({"slide": few["slide_id"], "reader": "R", "value": [0.0, 10.0]})
    row = compare(tmp_path, slides, pooled, few=table)["agreement"].set_index("level").loc["level"]
    assert "FEW_READINGS (2 of at least 3)" in row["reason"]
    assert pd.isna(row["icc"])
