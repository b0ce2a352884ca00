"""Arms beside each other, after unblinding: associations adjusted for baseline, never called effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from histoquant.statistics.estimate import Estimate
from histoquant.statistics.two_groups import adjusted_difference, compare_events
from histoquant.study.change import MEASURE_COLUMNS
from histoquant.study.contrasts import adjusted, cells, ratios
from histoquant.study.measures import LOG
from histoquant.study.outcomes import Outcomes

Row = dict[str, Any]
_ONE_ARM = "ONE_ARM (nothing to compare with)"
_NO_ARMS = "NO_ARMS (the outcomes have no column arm)"


def arm_table(measures: pd.DataFrame, tracts: pd.DataFrame, outcomes: Outcomes) -> pd.DataFrame:
    """Compare arms at each later timepoint, adjusted for baseline (columns of ``arms.csv``).

    Parameters
    ----------
    measures, tracts : DataFrame
        From `histoquant.study.measures.measure_table` and `histoquant.study.change.tract_changes`; levels are
        patients' means over the tracts evaluable at both visits.
    outcomes : Outcomes
    """
    analysed = measures.set_index(["patient", "tract", "measure", "timepoint"])["analysed"]
    rows = []
    # a partial index has a change and no level of its own to adjust for
    levelled = tracts[tracts["measure"].isin(set(measures["measure"]))]
    for _, group in levelled.groupby(["measure", "timepoint"], sort=False):
        known = group[group["change"].notna()]
        keys = list(zip(known["patient"], known["tract"], known["measure"], known["baseline"], strict=True))
        before = pd.Series(analysed.reindex(keys).to_numpy(float), index=known.index)
        frame = pd.DataFrame(
            {"patient": known["patient"], "before": before, "after": before + known["change"]}
        )
        levels = frame.groupby("patient", sort=False)[["before", "after"]].mean()
        about = {name: group.iloc[0][name] for name in (*MEASURE_COLUMNS, "timepoint")}
        rows += [about | row for row in _compared(levels, outcomes, about["scale"] == LOG)]
    return adjusted_by_arm(pd.DataFrame(rows))


def adjusted_by_arm(table: pd.DataFrame) -> pd.DataFrame:
    """Adjust over the markers within each arm and timepoint."""
    if table.empty:
        return table
    groups = [adjusted(group, "p", "p_holm") for _, group in table.groupby("arm", sort=False, dropna=False)]
    return pd.concat(groups).sort_index()


def _compared(levels: pd.DataFrame, outcomes: Outcomes, log: bool) -> Iterator[Row]:
    arm = pd.Series({patient: outcomes.arm.get(patient) for patient in levels.index}, dtype=object)
    if len(outcomes.arms) < 2:
        named = outcomes.arms[0] if outcomes.arms else None
        reason = _ONE_ARM if named else _NO_ARMS
        yield _row((named, None), (int(arm.notna().sum()), 0), Estimate(reason=reason), log)
        return
    reference, *others = outcomes.arms
    for other in others:
        chosen = levels[arm.isin([reference, other]).to_numpy(bool)]
        in_arm = (arm[chosen.index] == other).to_numpy(bool)
        found = adjusted_difference(chosen["after"].to_numpy(float), chosen["before"].to_numpy(float), in_arm)
        yield _row((other, reference), (int(in_arm.sum()), int((~in_arm).sum())), found, log)


def _row(arms: tuple[str | None, str | None], counts: tuple[int, int], found: Estimate, log: bool) -> Row:
    named = {**cells("difference", found), **ratios("ratio", found, log)}
    return {
        "arm": arms[0],
        "reference_arm": arms[1],
        "patients": counts[0],
        "reference_patients": counts[1],
        **named,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "reason": found.reason,
    }


def event_table(outcomes: Outcomes) -> pd.DataFrame:
    """Compare yes/no outcomes between arms (columns of ``events.csv``)."""
    rows = []
    for event, happened in outcomes.events.items():
        if len(outcomes.arms) < 2:
            counts = (sum(happened.values()), len(happened), 0, 0)
            rows.append(_event(event, (outcomes.arms or (None,))[0], None, counts))
            continue
        reference, *others = outcomes.arms
        by_arm = {
            arm: [value for patient, value in happened.items() if outcomes.arm.get(patient) == arm]
            for arm in outcomes.arms
        }
        for other in others:
            mine, theirs = by_arm[other], by_arm[reference]
            rows.append(_event(event, other, reference, (sum(mine), len(mine), sum(theirs), len(theirs))))
    return pd.DataFrame(rows)


def _event(event: str, arm: str | None, reference: str | None, counts: tuple[int, int, int, int]) -> Row:
    found = compare_events(*counts)
    return {
        "event": event,
        "arm": arm,
        "reference_arm": reference,
        **dict(zip(("events", "patients", "reference_events", "reference_patients"), counts, strict=True)),
        "risk_difference": found.difference.value,
        "low": found.difference.low,
        "high": found.difference.high,
        "fisher_p": found.fisher_p,
        "boschloo_p": found.boschloo_p,
        "reason": found.difference.reason if reference else _ONE_ARM if arm else _NO_ARMS,
    }
