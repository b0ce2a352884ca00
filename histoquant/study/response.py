"""Change beside response, after unblinding: association of patients' changes with ordered classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from histoquant.statistics.estimate import Estimate, few
from histoquant.statistics.gee import clustered_odds
from histoquant.statistics.ordered import Jonckheere, jonckheere
from histoquant.statistics.separation import area_under_curve
from histoquant.statistics.two_groups import clustered_share, exact_share
from histoquant.study.change import contrasts
from histoquant.study.contrasts import adjusted
from histoquant.study.outcomes import RESPONSES, Outcomes

Row = dict[str, Any]
CLOSED = RESPONSES[-1]
_NO_TRACTS = "NO_TRACT_RESPONSE (no tract with a change has a response of its own)"


def response_points(patients: pd.DataFrame, outcomes: Outcomes) -> pd.DataFrame:
    """Put each patient's response beside the changes (columns of ``response_points.csv``)."""
    response = patients["patient"].map(dict(outcomes.response)).astype(object)
    unknown = response.isna()
    reasons = [
        "; ".join(["NO_RESPONSE"] * unanswered + [text] * isinstance(text, str))
        for unanswered, text in zip(unknown, patients["reason"], strict=True)
    ]
    return patients.assign(response=response.where(~unknown, None), reason=reasons)


def response_groups(points: pd.DataFrame) -> pd.DataFrame:
    """Median and quartiles of change in each class (columns of ``response_groups.csv``)."""
    rows = []
    for about, known in contrasts(points):
        for response in RESPONSES:
            values = known.loc[known["response"] == response, "change"].to_numpy(float)
            quartiles = np.quantile(values, [0.25, 0.5, 0.75]).tolist() if values.size else [math.nan] * 3
            rows.append(
                {
                    **about,
                    "response": response,
                    "patients": values.size,
                    **dict(zip(("quartile_low", "median", "quartile_high"), quartiles, strict=True)),
                    "reason": None if values.size else few("patients", 0, 1),
                }
            )
    return pd.DataFrame(rows)


def response_table(points: pd.DataFrame, tracts: pd.DataFrame, outcomes: Outcomes, seed: int) -> pd.DataFrame:
    """Test association of change with response (columns of ``response.csv``).

    Parameters
    ----------
    points : DataFrame
        From `response_points`.
    tracts : DataFrame
        From `histoquant.study.change.tract_changes`.
    outcomes : Outcomes
    seed : int
        Of permutations where values are tied.
    """
    of_tract = tracts.assign(
        response=[
            outcomes.tract_response.get(key, "")
            for key in zip(tracts["patient"], tracts["tract"], strict=True)
        ]
    )
    by_contrast = {(about["measure"], about["timepoint"]): rows for about, rows in contrasts(of_tract)}
    rows = []
    for about, known in contrasts(points):
        known = known[known["response"].notna()]
        rows.append(
            {
                **about,
                **_patients(known, seed),
                **_tracts(by_contrast[about["measure"], about["timepoint"]]),
            }
        )
        reasons = [*rows[-1].pop("reasons"), rows[-1].pop("tract_reason")]
        rows[-1]["reason"] = "; ".join(dict.fromkeys(reason for reason in reasons if reason)) or None
    return adjusted(pd.DataFrame(rows), "jt_p", "jt_p_holm") if rows else pd.DataFrame()


def _patients(known: pd.DataFrame, seed: int) -> Row:
    groups = {name: known.loc[known["response"] == name, "change"].to_numpy(float) for name in RESPONSES}
    present = [values for values in groups.values() if values.size]
    test = Jonckheere(math.nan, math.nan, math.nan, math.nan, "")
    reasons = []
    if len(present) < 2:
        reasons.append(few("classes", len(present), 2))
    else:
        # resistant first: a statistic above its mean says that change rises with response
        test = jonckheere(present, seed)
    others = np.concatenate([groups[name] for name in RESPONSES if name != CLOSED])
    area = area_under_curve(-groups[CLOSED], -others, seed)
    reasons += [area.reason] if area.reason else []
    return {
        "patients": len(known),
        "groups": "; ".join(f"{name} {values.size}" for name, values in groups.items()),
        "jt_j": test.j,
        "jt_expected": test.expected,
        "jt_p": test.p,
        "jt_method": test.method,
        "auc": area.value,
        "auc_low": area.low,
        "auc_high": area.high,
        "auc_p": area.p,
        "reasons": reasons,
    }


def _tracts(rows: pd.DataFrame) -> Row:
    known = rows[rows["response"] != ""]
    odds = Estimate(reason=_NO_TRACTS)
    if len(known):
        closed = (known["response"] == CLOSED).to_numpy(bool)
        odds = clustered_odds(closed, -known["change"].to_numpy(float), known["patient"].to_numpy(object))
    return {
        "tract_odds_ratio": odds.value,
        "tract_low": odds.low,
        "tract_high": odds.high,
        "tract_p": odds.p,
        "tracts": len(known),
        "tract_reason": odds.reason,
    }


def proportion_table(outcomes: Outcomes, enrolled: Sequence[str]) -> pd.DataFrame:
    """Shares of outcomes with their intervals (columns of ``proportions.csv``).

    Parameters
    ----------
    outcomes : Outcomes
    enrolled : sequence of str
        All enrolled patients; those without a response count as not, in rows of their own. Events have no
        such rows.
    """
    return pd.DataFrame(list(_shares(outcomes, enrolled)))


def _shares(outcomes: Outcomes, enrolled: Sequence[str]) -> Iterator[Row]:
    wanted = {"closed": {CLOSED}, "closed or improved": {CLOSED, "improved"}}
    for what, classes in wanted.items():
        happened = {patient: response in classes for patient, response in outcomes.response.items()}
        yield from _of_patients(what, happened, enrolled)
        tracts = {key: response in classes for key, response in outcomes.tract_response.items()}
        if tracts:
            numbers = {patient: at for at, patient in enumerate(sorted({key[0] for key in tracts}))}
            success = np.array(list(tracts.values()), bool)
            cluster = np.array([numbers[patient] for patient, _ in tracts], np.int64)
            share = clustered_share(success, cluster)
            yield _share(what, "tracts", "with an outcome", int(success.sum()), success.size, share)
    for event, happened_to in outcomes.events.items():
        # an event that nobody recorded is unknown: counted as not it would make harm look rarer than it is
        yield from _of_patients(event, dict(happened_to))


def _of_patients(what: str, happened: dict[str, bool], enrolled: Sequence[str] = ()) -> Iterator[Row]:
    if not happened:
        return
    successes, among_all = sum(happened.values()), {"with an outcome": len(happened)}
    if enrolled:
        among_all["all enrolled"] = len({*enrolled, *happened})
    for among, total in among_all.items():
        yield _share(what, "patients", among, successes, total, exact_share(successes, total))


def _share(what: str, unit: str, among: str, successes: int, total: int, found: Estimate) -> Row:
    return {
        "what": what,
        "unit": unit,
        "among": among,
        "successes": successes,
        "total": total,
        "percent": 100 * found.value,
        "low": 100 * found.low,
        "high": 100 * found.high,
        "reason": found.reason,
    }
