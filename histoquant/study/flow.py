"""The flow of a study: enrolled, completed, planned, biopsied, evaluable, paired, and what was lost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from histoquant.study.measures import MAIN
from histoquant.study.timeline import Visit
from histoquant.study.trial_tables import NOT_RECORDED, TrialTables

Row = dict[str, Any]


def flow_table(
    measures: pd.DataFrame, changes: pd.DataFrame, visits: Sequence[Visit], tables: TrialTables
) -> pd.DataFrame:
    """Count patients and tracts at every step (columns of ``flow.csv``).

    Parameters
    ----------
    measures : DataFrame
        From `histoquant.study.measures.measure_table`.
    changes : DataFrame
        From `histoquant.study.change.tract_changes`.
    visits : sequence of Visit
    tables : TrialTables
    """
    rows = _enrolment(measures, tables)
    for visit in visits:
        at = measures[measures["timepoint"] == visit.label]
        tracts = at.drop_duplicates(["patient", "tract"])
        about = {"timepoint": visit.label, "month": visit.month}
        rows.append(_row("planned", tracts, about))
        taken = tracts[~tracts["reason"].fillna("").str.startswith("NO_BIOPSY")]
        rows.append(_row("biopsied", taken, about, tracts))
        for _, group in at[at["role"] == MAIN].groupby("measure", sort=False):
            named = about | {"measure": group.iloc[0]["measure"], "marker": group.iloc[0]["marker"]}
            biopsied = group[~group["reason"].fillna("").str.startswith("NO_BIOPSY")]
            rows.append(_row("evaluable", group[group["evaluable"]], named, biopsied))
            pairs = changes[(changes["measure"] == named["measure"]) & (changes["timepoint"] == visit.label)]
            if len(pairs):
                rows.append(_row("paired", pairs[pairs["change"].notna()], named, pairs))
    return pd.DataFrame(rows)


def _enrolment(measures: pd.DataFrame, tables: TrialTables) -> list[Row]:
    empty = {
        **dict.fromkeys(("timepoint", "measure", "marker", "reasons", "reason")),
        "lost": None,
        "tracts": None,
    }
    seen = sorted(set(measures["patient"]))
    if not tables.patients:
        said = "NO_PATIENTS_TABLE (name one in study.toml: [tables] patients)"
        rows = [
            {**empty, "step": "enrolled", "patients": len(seen), "reason": said + "; counted: with a tract"}
        ]
        return [*rows, {**empty, "step": "completed", "patients": None, "reason": said}]
    left = [row for row in tables.patients if row.completed is False]
    known = [row for row in tables.patients if row.completed is not None]
    reasons = _counted(row.reason or NOT_RECORDED for row in left)
    done = {**empty, "step": "completed", "patients": len(tables.patients) - len(left), "lost": len(left)}
    done |= {"reasons": reasons}
    if len(known) < len(tables.patients):
        unknown = len(tables.patients) - len(known)
        done |= {"patients": None, "lost": None, "reason": f"NOT_RECORDED ({unknown} patients)"}
    return [{**empty, "step": "enrolled", "patients": len(tables.patients)}, done]


def _row(step: str, reached: pd.DataFrame, about: Row, before: pd.DataFrame | None = None) -> Row:
    lost = None if before is None else before.drop(index=reached.index)
    return {
        **dict.fromkeys(("measure", "marker", "reason")),
        **about,
        "step": step,
        "patients": reached["patient"].nunique(),
        "tracts": len(reached),
        "lost": None if lost is None else len(lost),
        "reasons": None if lost is None else _counted(_code(reason) for reason in lost["reason"]),
    }


def _code(reason: object) -> str:
    """Shorten a reason to its code; of a missing biopsy, to the reason that was recorded."""
    text = str(reason)
    recorded = re.fullmatch(r"((?:BASELINE |VISIT )?)NO_BIOPSY \((\w+)\)", text)
    if recorded:
        return recorded[1] + recorded[2]
    return re.sub(r" \(.*", "", text)


def _counted(codes: Iterable[str]) -> str | None:
    counts = Counter(codes)
    return "; ".join(f"{code} {count}" for code, count in sorted(counts.items())) or None
