"""Trials that are not as planned, through the command line: no crash, no text that says nan, reasons told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from made_trial import finished_trial
from typer.testing import CliRunner

from histoquant.cli.application import app
from histoquant.phantoms.trial_tables import TableTrial, table_trial
from histoquant.study.outcomes import read_outcomes

Tables = tuple[pd.DataFrame, pd.DataFrame]
_NOT_A_NUMBER = re.compile(r"(?<![A-Za-z_])(nan|NaN|inf|None|<NA>|NaT)(?![A-Za-z_])")
SMALL = TableTrial(patients=7, tracts=9, seed=5)


def one_outcome(slides: pd.DataFrame, answers: pd.DataFrame) -> Tables:
    return slides, answers.assign(response="closed")


def one_arm(slides: pd.DataFrame, answers: pd.DataFrame) -> Tables:
    return slides, answers.assign(arm="exosome")


def no_variance(slides: pd.DataFrame, answers: pd.DataFrame) -> Tables:
    numbers = list(slides.select_dtypes("number"))
    first = slides.groupby("marker")[numbers].transform("first")
    return slides.assign(**{name: first[name] for name in numbers}), answers


def marker_absent_in_an_arm(slides: pd.DataFrame, answers: pd.DataFrame) -> Tables:
    whose = set(answers.loc[answers["arm"] == answers["arm"].iloc[0], "patient"])
    return slides[~((slides["marker"] == "CD20") & slides["patient"].isin(whose))], answers


def as_planned(slides: pd.DataFrame, answers: pd.DataFrame) -> Tables:
    return slides, answers


def study(root: Path, plan: TableTrial, change: Callable[..., Tables]) -> Path:
    """Make a finished run and let the command compare it."""
    folder = finished_trial(root, "Odd", *change(*table_trial(plan)))
    said = CliRunner().invoke(
        app, ["study", str(folder), "--study", str(root), "--outcomes", str(root / "outcomes.csv")]
    )
    assert said.exit_code == 0, said.output
    return folder


@pytest.mark.parametrize(
    ("plan", "change", "table", "reason"),
    [
        (SMALL, one_outcome, "response", "FEW_CLASSES"),
        pytest.param(SMALL, one_arm, "response", None, marks=pytest.mark.full),
        (SMALL, no_variance, "changes", "NO_VARIATION"),
        (SMALL, marker_absent_in_an_arm, "arms", "FEW_PATIENTS"),
        pytest.param(
            TableTrial(patients=7, tracts=7, seed=2), as_planned, "models", None, marks=pytest.mark.full
        ),
        (TableTrial(patients=2, tracts=3, seed=2), as_planned, "changes", "FEW_PATIENTS"),
    ],
    ids=[
        "one outcome",
        "one arm",
        "no variance",
        "marker absent in an arm",
        "one tract each",
        "two patients",
    ],
)
def test_odd_trials_give_tables_with_reasons(
    tmp_path: Path, plan: TableTrial, change: Callable[..., Tables], table: str, reason: str | None
) -> None:
    folder = study(tmp_path, plan, change)
    for path in (folder / "study").glob("*.csv"):
        assert not _NOT_A_NUMBER.search(path.read_text("utf-8")), path.name
    page = re.sub(
        r"<style>.*?</style>|data:[^\"]*", "", (folder / "report.html").read_text("utf-8"), flags=re.S
    )
    assert not _NOT_A_NUMBER.search(page)
    reasons = pd.read_csv(folder / "study" / f"{table}.csv", dtype=str)["reason"].fillna("")
    assert reason is None or reasons.str.contains(reason).any()


def test_outcomes_from_a_german_spreadsheet(tmp_path: Path) -> None:
    answers = table_trial(SMALL)[1][["patient", "response", "arm"]]
    text = "sep=;\r\n" + answers.to_csv(index=False, sep=";", lineterminator=";\r\n") + ";;;\r\n"
    answers.to_csv(tmp_path / "plain.csv", index=False)
    (tmp_path / "german.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = [read_outcomes(tmp_path / name) for name in ("plain.csv", "german.csv")]
    assert found[0] == found[1]
    assert len(found[0].response) == SMALL.patients
