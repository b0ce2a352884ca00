"""Arms beside each other, after unblinding: associations adjusted for baseline, never called effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.statistics.estimate import Estimate
from histoquant.statistics.two_groups import adjusted_difference, compare_events
from histoquant.study.change import MEASURE_COLUMNS
from histoquant.study.contrasts import adjusted, cells, ratios
from histoquant.study.measures import LOG
from histoquant.study.outcomes import Outcomes
from histoquant.study.trial_tables import TrialTables

Row = dict[str, Any]
_ONE_ARM = "ONE_ARM (nothing to compare with)"
_NO_ARMS = "NO_ARMS (the outcomes have no column arm)"


def arm_table(
    measures: pd.DataFrame, tracts: pd.DataFrame, outcomes: Outcomes, tables: TrialTables
) -> pd.DataFrame:
    """Compare arms at each later timepoint, adjusted for baseline (columns of ``arms.csv``).

    Parameters
    ----------
    measures, tracts : DataFrame
        From `histoquant.study.measures.measure_table` and `histoquant.study.change.tract_changes`; levels are
        patients' means over the tracts evaluable at both visits.
    outcomes : Outcomes
    tables : TrialTables
        Sites of the tracts: the adjustment for them stands beside the other, it does not replace it.
    """
    site = {(row.patient, row.tract): row.site for row in tables.tracts}
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
        shares = _site_shares(known, site)
        about = {name: group.iloc[0][name] for name in (*MEASURE_COLUMNS, "timepoint")}
        rows += [about | row for row in _compared(levels.join(shares), outcomes, about["scale"] == LOG)]
    return adjusted_by_arm(pd.DataFrame(rows))


def _site_shares(known: pd.DataFrame, site: Mapping[tuple[str, str], str | None]) -> pd.DataFrame:
    """Share of each patient's tracts at each site, one column per site; none where a site is not recorded."""
    keys = zip(known["patient"], known["tract"], strict=True)
    named = pd.Series([site.get(key) for key in keys], index=known.index, dtype=object)
    if named.empty or bool(named.isna().any()):
        return pd.DataFrame(index=pd.Index([], name="patient"))
    return pd.crosstab(known["patient"], named.str.strip().str.casefold(), normalize="index")


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
        nothing = Estimate(reason=_ONE_ARM if named else _NO_ARMS)
        yield _row((named, None), (int(arm.notna().sum()), 0), (nothing, nothing), log)
        return
    reference, *others = outcomes.arms
    for other in others:
        chosen = levels[arm.isin([reference, other]).to_numpy(bool)]
        in_arm = (arm[chosen.index] == other).to_numpy(bool)
        found = _adjusted(chosen, in_arm)
        yield _row((other, reference), (int(in_arm.sum()), int((~in_arm).sum())), found, log)


def _adjusted(chosen: pd.DataFrame, in_arm: NDArray[np.bool_]) -> tuple[Estimate, Estimate]:
    """Adjusted for baseline, and for baseline and site."""
    after, before = (chosen[name].to_numpy(float) for name in ("after", "before"))
    plain = adjusted_difference(after, before, in_arm)
    sites = chosen.drop(columns=["after", "before"])
    if sites.shape[1] == 0:
        return plain, Estimate(reason="NO_SITE (the tracts table does not name the site of every tract)")
    present = sites.loc[:, sites.sum() > 0]
    if present.shape[1] < 2:
        return plain, Estimate(reason="ONE_SITE (nothing to adjust for)")
    # the first by name is what the others are compared with
    return plain, adjusted_difference(after, before, in_arm, present.to_numpy(float)[:, 1:])


def _row(
    arms: tuple[str | None, str | None], counts: tuple[int, int], found: tuple[Estimate, Estimate], log: bool
) -> Row:
    plain, by_site = found
    return {
        "arm": arms[0],
        "reference_arm": arms[1],
        "patients": counts[0],
        "reference_patients": counts[1],
        **cells("difference", plain),
        **ratios("ratio", plain, log),
        "low": plain.low,
        "high": plain.high,
        "p": plain.p,
        **cells("site_difference", by_site),
        "site_p": by_site.p,
        "site_reason": by_site.reason,
        "reason": plain.reason,
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
        "boschloo_p": found.boschloo_p,
        "reason": found.difference.reason if reference else _ONE_ARM if arm else _NO_ARMS,
    }
