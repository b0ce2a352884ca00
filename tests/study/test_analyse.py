"""Whole studies from tables: planted changes, and everything that can be missing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histoquant.errors import StudyError
from histoquant.phantoms.trial import TIMEPOINTS
from histoquant.phantoms.trial_tables import TableTrial, table_trial
from histoquant.store.csv_table import csv_bytes
from histoquant.study import Reference, Study, biopsies, load_study
from histoquant.study.analyse import Analysis, analyse, unblinded
from histoquant.study.layout import BLIND_TABLES, TABLES, UNBLINDED_TABLES
from histoquant.study.outcomes import Outcomes
from histoquant.study.trial_tables import MissingRow, PatientRow, TractRow, TrialTables

PLAN = TableTrial(seed=3)
MAIN = {"CD68": "cd68_per_mm2", "CD20": "cd20_diffuse_per_mm2", "CD31": "cd31_vessels_per_mm2"}
POINTS = "".join(f'[[timepoints]]\nlabel = "{label}"\nmonth = {month}\n' for label, month, _ in TIMEPOINTS)


@pytest.fixture(scope="module")
def slides() -> pd.DataFrame:
    return table_trial(PLAN)[0]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    table = table_trial(PLAN)[1].set_index("patient")
    return Outcomes(response=table["response"].to_dict(), arm=table["arm"].to_dict())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, slides: pd.DataFrame) -> Study:
    folder = tmp_path_factory.mktemp("study")
    Reference.from_biopsies(biopsies(slides), "V1").save(folder / "reference.json")
    (folder / "study.toml").write_text(POINTS + '[inflammation]\nreference = "reference.json"\n')
    loaded = load_study(folder)
    assert loaded is not None
    return loaded


@pytest.fixture(scope="module")
def whole(slides: pd.DataFrame, study: Study) -> Analysis:
    return analyse(slides, study)


def clean(tables: dict[str, pd.DataFrame]) -> None:
    """No NaN, no text that says so, and no empty estimate without its reason."""
    for name, table in tables.items():
        assert list(table.columns) == TABLES[name].column_names
        text = csv_bytes(table).decode().lower()
        cells = {cell for line in text.splitlines() for cell in line.split(",")}
        assert "none" not in cells, name
        # in a sentence, too: "ratio nan (nan to nan)"
        assert not re.search(r"(?<![a-z])(nan|nat|inf|<na>)(?![a-z])", text), name
        for main in ("hl", "mean", "median", "change", "estimate", "auc", "difference", "icc", "value"):
            if main in table and "reason" in table:
                silent = table[table[main].isna() & table["reason"].isna()]
                assert silent.empty, f"{name}: {main} empty without a reason"


def test_the_virtual_trial_is_the_published_one(slides: pd.DataFrame) -> None:
    assert slides["patient"].nunique() == 20
    assert len(slides.drop_duplicates(["patient", "tract"])) == 43
    assert len(slides) == 43 * 3 * 3


def test_planted_changes_lie_in_their_intervals(whole: Analysis) -> None:
    """One seed; benchmarks/statistics.py counts a hundred."""
    changes = whole.tables["changes"].set_index(["measure", "timepoint"])
    models = whole.tables["models"].set_index(["measure", "model", "timepoint"])
    inside = []
    for marker, path in PLAN.changes:
        for label, planted in zip(("V2", "V3"), path, strict=True):
            row = changes.loc[(MAIN[marker], label)]
            inside += [row["hl_low"] < planted < row["hl_high"], row["mean_low"] < planted < row["mean_high"]]
            for model in ("mixed", "gee"):
                fitted = models.loc[(MAIN[marker], model, label)]
                inside.append(fitted["low"] < planted < fitted["high"])
    assert len(inside) == 24
    assert sum(inside) >= 22


def test_all_tables_are_there_and_clean(whole: Analysis) -> None:
    assert list(whole.tables) == list(BLIND_TABLES)
    clean(dict(whole.tables))
    primary = whole.tables["changes"].query("primary")
    assert primary[["measure", "timepoint"]].to_numpy().tolist() == [["cd68_per_mm2", "V3"]]


@pytest.mark.parametrize("text", ["nan", "ratio nan (nan to 2)", "None", "<NA>", "-inf"])
def test_text_that_says_nothing_was_measured_would_be_seen(whole: Analysis, text: str) -> None:
    table = whole.tables["changes"].copy()
    table["unit"] = table["unit"].where(table.index > 0, text)
    with pytest.raises(AssertionError, match="changes"):
        clean({"changes": table})


def test_holm_runs_over_the_markers_of_a_timepoint(whole: Analysis) -> None:
    changes = whole.tables["changes"]
    main = changes[(changes["role"] == "main") & (changes["timepoint"] == "V3")]
    assert len(main) == 3
    assert float(main["p_holm"].min()) == pytest.approx(3 * float(main["wilcoxon_p"].min()))
    assert main["p_bh"].isna().all()
    further = changes[changes["role"] == "further"]
    assert further["p_holm"].isna().all()
    assert (further["p_bh"] >= further["wilcoxon_p"]).all()


def test_order_of_slides_does_not_matter(slides: pd.DataFrame, study: Study, whole: Analysis) -> None:
    shuffled = analyse(slides.sample(frac=1, random_state=1), study)
    for name, table in whole.tables.items():
        assert csv_bytes(table) == csv_bytes(shuffled.tables[name]), name


def test_unblinding_leaves_the_blind_tables_and_arms_move_only_tables_with_arms(
    slides: pd.DataFrame, study: Study, whole: Analysis, outcomes: Outcomes
) -> None:
    before = {name: csv_bytes(table) for name, table in whole.tables.items()}
    rng = np.random.default_rng(1)
    tables = []
    for _ in range(2):
        patients = list(outcomes.arm)
        dealt = dict(zip(patients, rng.permutation(list(outcomes.arm.values())).tolist(), strict=True))
        mixed = Outcomes(response=outcomes.response, arm=dealt)
        tables.append(unblinded(whole, mixed, TrialTables(), 1))
    assert before == {name: csv_bytes(table) for name, table in whole.tables.items()}
    assert csv_bytes(tables[0]["arms"]) != csv_bytes(tables[1]["arms"])
    assert csv_bytes(tables[0]["response"]) == csv_bytes(tables[1]["response"])


def test_unblinded_tables_are_clean_and_say_what_was_compared(whole: Analysis, outcomes: Outcomes) -> None:
    tables = unblinded(whole, outcomes, TrialTables(), 1)
    assert list(tables) == list(UNBLINDED_TABLES)
    clean(tables)
    response = tables["response"].set_index(["measure", "timepoint"]).loc[("cd68_per_mm2", "V3")]
    assert response["groups"] == "resistant 4; improved 4; closed 12"
    assert (response["jt_expected"], response["jt_method"]) == (56, "exact")
    arms = tables["arms"]
    assert set(arms["arm"]) == {"exosome"}
    assert set(arms["reference_arm"]) == {"placebo"}
    shares = tables["proportions"].set_index(["what", "among"])
    closed = shares.loc[("closed", "with an outcome")]
    assert (closed["low"], closed["high"]) == pytest.approx((36.1, 80.9), abs=0.05)


def test_a_planted_association_is_found(study: Study) -> None:
    plan = TableTrial(seed=4, response_shift=2.0, arm_shift=-0.6, slope_sd=0.2)
    slides, table = table_trial(plan)
    known = table.set_index("patient")
    outcomes = Outcomes(response=known["response"].to_dict(), arm=known["arm"].to_dict())
    tables = unblinded(analyse(slides, study), outcomes, TrialTables(), 1)
    row = tables["response"].set_index(["measure", "timepoint"]).loc[("cd68_per_mm2", "V3")]
    assert row["jt_p"] < 0.01
    assert row["auc"] > 0.7


def test_outcomes_of_strangers_are_refused(whole: Analysis) -> None:
    with pytest.raises(StudyError, match=r"none of the patients .*histoquant unblind"):
        unblinded(whole, Outcomes(response={"X1": "closed"}), TrialTables(), 1)


def test_outcomes_of_patients_or_tracts_that_are_not_listed_are_refused(
    slides: pd.DataFrame, whole: Analysis
) -> None:
    patients = tuple(PatientRow(name, True, None) for name in sorted(set(slides["patient"])))
    typed = Outcomes(response={"P01": "closed", "P2": "closed"})
    with pytest.raises(StudyError, match=r"name P2, not in the patients table.*Did you mean 'P0?2"):
        unblinded(whole, typed, TrialTables(patients), 1)
    tracts = tuple(TractRow(patient.patient, "T1", None) for patient in patients)
    odd = Outcomes(tract_response={("P01", "T9"): "closed"})
    with pytest.raises(StudyError, match="name P01 T9, not in the tracts table"):
        unblinded(whole, odd, TrialTables(patients, tracts), 1)


def test_unknown_responses_count_as_not_and_unknown_events_do_not(whole: Analysis) -> None:
    outcomes = Outcomes(response={"P01": "closed"}, events={"leak": {"P01": False, "P02": True}})
    shares = unblinded(whole, outcomes, TrialTables(), 1)["proportions"]
    told = {(row.what, row.among): (row.successes, row.total) for row in shares.itertuples()}
    assert told[("closed", "all enrolled")] == (1, 20)
    assert told[("leak", "with an outcome")] == (1, 2)
    assert ("leak", "all enrolled") not in told


def test_without_arms_and_tract_responses_the_reasons_say_so(whole: Analysis) -> None:
    outcomes = Outcomes(response={"P01": "closed"}, events={"leak": {"P01": False}})
    tables = unblinded(whole, outcomes, TrialTables(), 1)
    assert set(tables["events"]["reason"]) == {"NO_ARMS (the outcomes have no column arm)"}
    assert tables["response"]["reason"].str.contains("NO_TRACT_RESPONSE").all()


def drop(condition: Callable[[pd.DataFrame], pd.Series]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda slides: slides[~condition(slides)]


def zeros(slides: pd.DataFrame) -> pd.DataFrame:
    counted = [
        name for name in ("positive", "vessels", "diffuse_per_mm2", "vessels_per_mm2") if name in slides
    ]
    return slides.assign(**{name: slides[name].where(slides[name].isna(), 0) for name in counted})


CASES = {
    "a marker never stained": drop(lambda t: t["marker"] == "CD31"),
    "no CD20 at the last visit": drop(lambda t: (t["marker"] == "CD20") & (t["timepoint"] == "V3")),
    "a patient without a baseline": drop(lambda t: (t["patient"] == "P01") & (t["timepoint"] == "V1")),
    "a patient without follow-up": drop(lambda t: (t["patient"] == "P02") & (t["timepoint"] != "V1")),
    "nobody has a baseline": drop(lambda t: t["timepoint"] == "V1"),
    "a middle visit never happened": drop(lambda t: t["timepoint"] == "V2"),
    "one patient": drop(lambda t: t["patient"] != "P03"),
    "five patients": drop(lambda t: t["patient"] > "P05"),
    "one timepoint": drop(lambda t: t["timepoint"] != "V1"),
    "one slide": lambda t: t.head(1),
    "nothing counted anywhere": zeros,
    "nothing counted at the last visit": lambda t: pd.concat(
        [t[t["timepoint"] != "V3"], zeros(t[t["timepoint"] == "V3"])]
    ),
    "every slide failed": lambda t: t.assign(status="FAILED", reason="UNREADABLE"),
    "too little tissue": lambda t: t.assign(tissue_mm2=0.1),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dated", [True, pytest.param(False, marks=pytest.mark.full)])
def test_what_is_missing_gives_reasons_not_crashes(
    name: str, dated: bool, slides: pd.DataFrame, study: Study, outcomes: Outcomes
) -> None:
    few = CASES[name](slides[slides["patient"] < "P07"].copy())
    analysis = analyse(few, study if dated else None)
    clean(dict(analysis.tables))
    clean(unblinded(analysis, outcomes, TrialTables(), 1))


def test_without_patients_there_is_nothing_to_compare(slides: pd.DataFrame) -> None:
    with pytest.raises(StudyError, match="nothing to compare"):
        analyse(slides.assign(patient=None))


def test_reasons_name_what_is_missing(slides: pd.DataFrame, study: Study) -> None:
    gone = (slides["patient"] == "P01") & (slides["tract"] == "T1")
    left = slides[~(gone & (slides["timepoint"] == "V3"))]
    left = left[~((left["patient"] == "P02") & (left["timepoint"] == "V1") & (left["marker"] == "CD68"))]
    tables = TrialTables(missing=(MissingRow("P01", "T1", "V3", "closed_no_tissue"),))
    tracts = (
        analyse(left, study, tables)
        .tables["tract_changes"]
        .set_index(["patient", "tract", "measure", "timepoint"])
    )
    assert tracts.loc[("P01", "T1", "cd68_per_mm2", "V3"), "reason"] == "VISIT NO_BIOPSY (closed_no_tissue)"
    assert tracts.loc[("P02", "T1", "cd68_per_mm2", "V2"), "reason"] == "BASELINE MISSING"


def test_another_clone_is_no_pair(slides: pd.DataFrame, study: Study) -> None:
    other = (slides["patient"] == "P01") & (slides["timepoint"] == "V3") & (slides["marker"] == "CD68")
    analysis = analyse(slides.assign(clone=slides["clone"].where(~other, "KP1")), study)
    rows = analysis.tables["tract_changes"].query("patient == 'P01' and measure == 'cd68_per_mm2'")
    assert set(rows[rows["timepoint"] == "V3"]["reason"]) == {"CLONE_DIFFERS (PG-M1, KP1)"}
    assert rows[rows["timepoint"] == "V2"]["reason"].isna().all()
    assert "CLONE_DIFFERS" in set(analysis.tables["notes"]["code"])


def test_flow_counts_everybody_once(slides: pd.DataFrame, study: Study) -> None:
    patients = tuple(PatientRow(f"P{n:02d}", n <= 20, "withdrew" if n > 20 else None) for n in range(1, 24))
    tracts = tuple(TractRow(p, t, None) for p, t in set(zip(slides["patient"], slides["tract"], strict=True)))
    missing = (MissingRow("P01", None, "V3", "closed_no_tissue"),)
    left = slides[~((slides["patient"] == "P01") & (slides["timepoint"] == "V3"))]
    flow = analyse(left, study, TrialTables(patients, tracts, missing)).tables["flow"]
    steps = flow.set_index("step")
    assert steps.loc["enrolled", "patients"] == 23
    assert steps.loc["completed", ["patients", "lost", "reasons"]].tolist() == [20, 3, "withdrew 3"]
    last = flow[flow["timepoint"] == "V3"].set_index(["step", "measure"])
    gone = int((slides[slides["patient"] == "P01"]["tract"]).nunique())
    biopsied = flow[(flow["step"] == "biopsied") & (flow["timepoint"] == "V3")].iloc[0]
    assert (biopsied["tracts"], biopsied["lost"]) == (43 - gone, gone)
    assert biopsied["reasons"] == f"closed_no_tissue {gone}"
    paired = last.loc[("paired", "cd68_per_mm2")]
    assert (paired["tracts"], paired["patients"]) == (43 - gone, 19)
    assert paired["reasons"] == f"VISIT closed_no_tissue {gone}"


def test_closed_tracts_without_tissue_bound_the_mean(slides: pd.DataFrame, study: Study) -> None:
    patients = ("P01", "P02", "P03")
    gone = slides["patient"].isin(patients) & (slides["timepoint"] == "V3")
    rows = tuple(MissingRow(patient, None, "V3", "closed_no_tissue") for patient in patients)
    table = analyse(slides[~gone], study, TrialTables(missing=rows)).tables["missing"]
    row = table[(table["measure"] == "cd68_per_mm2") & (table["timepoint"] == "V3")].set_index("scenario")
    assert row.loc["closed_best", "mean"] < row.loc["observed", "mean"] < row.loc["closed_worst", "mean"]
    assert row.loc["closed_best", "patients"] == 20
    deltas = row.loc["delta"]
    assert deltas["mean"].is_monotonic_increasing
    assert abs(deltas["mean"].iloc[0] - row.loc["observed", "mean"]) < 0.1
    assert row.loc["tipping", "p"] == pytest.approx(0.05, abs=0.002)
    assert row.loc["tipping", "delta"] > 0


def test_everybody_enrolled_is_in_the_sensitivity_also_without_a_baseline(
    slides: pd.DataFrame, study: Study
) -> None:
    patients = tuple(PatientRow(f"P{n:02d}", n <= 20, None) for n in range(1, 24))
    gone = (slides["patient"] == "P01") & (slides["timepoint"] == "V3")
    table = analyse(slides[~gone], study, TrialTables(patients)).tables["missing"]
    row = table[(table["measure"] == "cd68_per_mm2") & (table["timepoint"] == "V3")].set_index("scenario")
    everybody = row.loc["enrolled"]
    # P01 lacks the follow-up, three more never had a biopsy
    assert set(everybody["patients"]) == {23}
    assert set(everybody["filled"]) == {4}
    assert set(row.loc["delta", "patients"]) == {20}
    assert everybody["mean"].is_monotonic_increasing
    assert abs(everybody["mean"].iloc[0] - row.loc["observed", "mean"]) < 0.1
    without = analyse(slides, study).tables["missing"].query("scenario == 'enrolled'")
    assert without["reason"].str.startswith("NO_PATIENTS_TABLE").all()


def test_sites_of_tracts_stand_beside_the_comparison_of_arms(
    slides: pd.DataFrame, whole: Analysis, outcomes: Outcomes
) -> None:
    keys = sorted(set(zip(slides["patient"], slides["tract"], strict=True)))
    placebo = {patient for patient, arm in outcomes.arm.items() if arm == "placebo"}
    sites = [
        TractRow(p, t, "rectal" if (p in placebo) == (n % 4 > 0) else "Anal") for n, (p, t) in enumerate(keys)
    ]
    arms = unblinded(whole, outcomes, TrialTables(tracts=tuple(sites)), 1)["arms"]
    plain = unblinded(whole, outcomes, TrialTables(), 1)["arms"]
    assert arms["site_difference"].notna().all()
    assert arms["difference"].equals(plain["difference"])
    assert not arms["site_difference"].equals(arms["difference"])
    with_arms = tuple(TractRow(p, t, "rectal" if p in placebo else "anal") for p, t in keys)
    lost = unblinded(whole, outcomes, TrialTables(tracts=with_arms), 1)["arms"]["site_reason"]
    assert set(lost) == {"NO_VARIATION (what is adjusted for does not vary apart from the arm)"}
    assert plain["site_reason"].str.startswith("NO_SITE").all()
    alone = TrialTables(tracts=tuple(TractRow(p, t, "anal") for p, t in keys))
    assert set(unblinded(whole, outcomes, alone, 1)["arms"]["site_reason"]) == {
        "ONE_SITE (nothing to adjust for)"
    }


def test_patients_with_gaps_are_in_one_test_over_all_timepoints(slides: pd.DataFrame, study: Study) -> None:
    gone = (slides["patient"] < "P05") & (slides["timepoint"] == "V2")
    alone = (slides["patient"] == "P06") & (slides["timepoint"] != "V1")
    table = analyse(slides[~gone & ~alone], study).tables["trends"].set_index("measure")
    row = table.loc["cd68_per_mm2"]
    assert (row["patients"], row["skillings_mack_patients"]) == (15, 19)
    assert row["skillings_mack_p"] < 0.01
    whole = analyse(slides, study).tables["trends"].set_index("measure").loc["cd68_per_mm2"]
    assert whole["skillings_mack"] == pytest.approx(whole["friedman_chi2"])


def test_a_score_without_error_of_counting_has_an_interval_around_it(whole: Analysis) -> None:
    scores = whole.tables["scores"]
    assert scores["score"].notna().all()
    inside = (scores["score_low"] <= scores["score"]) & (scores["score"] <= scores["score_high"])
    assert inside.mean() > 0.95


def test_batches_strangers_and_implausible_values_are_noted(slides: pd.DataFrame, study: Study) -> None:
    odd = slides.assign(batch=np.where(slides["timepoint"] == "V3", "B2", "B1"))
    odd.loc[(odd["slide_id"] == "P01_T1_V1_CD68"), "positive"] = 90_000
    extra = odd.head(3).assign(timepoint="V9", slide_id=["a", "b", "c"])
    tables = TrialTables(
        patients=(PatientRow("P02", True, None),), missing=(MissingRow("P02", "T1", "V1", "artefact"),)
    )
    notes = analyse(pd.concat([odd, extra]), study, tables).tables["notes"]
    assert {
        "BATCH_DIFFERS",
        "UNKNOWN_PATIENT",
        "IMPLAUSIBLE",
        "NOT_MISSING",
        "TIMEPOINT_NOT_DECLARED",
    } <= set(notes["code"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('primary = "cd86_per_mm2"', "Did you mean 'cd68_per_mm2'"),
        ('primary_timepoint = "V1"', "Later ones: V2, V3"),
        ('primery = "cd68_per_mm2"', "Did you mean 'primary'"),
    ],
)
def test_a_wrong_primary_is_refused(tmp_path: Path, slides: pd.DataFrame, text: str, said: str) -> None:
    (tmp_path / "study.toml").write_text(f"{POINTS}[analysis]\n{text}\n")
    with pytest.raises(StudyError, match=said):
        analyse(slides, load_study(tmp_path))


def test_zero_at_baseline_is_a_finite_change(slides: pd.DataFrame, study: Study) -> None:
    here = (slides["slide_id"] == "P01_T1_V1_CD68").to_numpy()
    table = slides.assign(positive=slides["positive"].mask(here, 0))
    tracts = analyse(table, study).tables["tract_changes"]
    row = tracts.query(
        "patient == 'P01' and tract == 'T1' and measure == 'cd68_per_mm2' and timepoint == 'V2'"
    )
    areas = slides.set_index("slide_id")["tissue_mm2"]
    follow = slides.set_index("slide_id").loc["P01_T1_V2_CD68"]
    expected = math.log((follow["positive"] + 0.5) / follow["tissue_mm2"]) - math.log(
        0.5 / areas["P01_T1_V1_CD68"]
    )
    assert row["change"].item() == pytest.approx(expected)


def test_a_partial_index_is_paired_on_the_markers_of_both_visits(
    tmp_path: Path, slides: pd.DataFrame, outcomes: Outcomes
) -> None:
    few = slides[slides["patient"] < "P07"]
    Reference.from_biopsies(biopsies(slides), "V1").save(tmp_path / "reference.json")
    section = '[inflammation]\nreference = "reference.json"\npartial = "renormalise"\n'
    (tmp_path / "study.toml").write_text(POINTS + section)
    gone = (few["patient"] == "P01") & (few["marker"] == "CD20") & (few["timepoint"] == "V3")
    analysis = analyse(few[~gone], load_study(tmp_path))
    clean(dict(analysis.tables))
    clean(unblinded(analysis, outcomes, TrialTables(), 1))
    tracts = analysis.tables["tract_changes"]
    partial = tracts[tracts["measure"].str.startswith("inflammation_score_partial")]
    assert set(partial["measure"]) == {"inflammation_score_partial_cd68"}
    assert set(zip(partial["patient"], partial["timepoint"], strict=True)) == {("P01", "V3")}
    whole = tracts[(tracts["measure"] == "inflammation_score") & (tracts["patient"] == "P01")]
    assert whole[whole["timepoint"] == "V3"]["change"].isna().all()
    assert whole[whole["timepoint"] == "V2"]["change"].notna().all()
    # both visits are scored on CD68 alone: the change is that of its place on the reference
    reference = Reference.load(tmp_path / "reference.json")
    value = {
        label: np.log((row["positive"] + 0.5) / row["tissue_mm2"])
        for label in ("V1", "V3")
        for row in [few.set_index("slide_id").loc[f"P01_T1_{label}_CD68"]]
    }
    places = {label: reference.position("cd68", float(v))[0] for label, v in value.items()}
    row = partial[partial["tract"] == "T1"].iloc[0]
    assert row["change"] == pytest.approx(100 * (places["V3"] - places["V1"]))
