"""Machine against readers, readers against each other and against themselves: levels, and changes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from histoquant.statistics.agreement import (
    bland_altman,
    concordance,
    icc_absolute,
    icc_class,
    quadratic_kappa,
)
from histoquant.statistics.estimate import Estimate, few
from histoquant.statistics.resampled import correlation_limits
from histoquant.study.contrasts import cells
from histoquant.study.reader_file import MACHINE, Reading, Readings, Subject, is_imported, scale_of
from histoquant.study.timeline import Visit

Row = dict[str, Any]
Place = tuple[str, str, str, str]  # patient, tract, timepoint, slide_id
_MIN_SUBJECTS = 4


def agreement_tables(
    found: Readings, biopsies: pd.DataFrame, visits: Sequence[Visit]
) -> dict[str, pd.DataFrame]:
    """Compare all raters.

    Parameters
    ----------
    found : Readings
    biopsies : DataFrame
        For the inflammation index beside imported scores.
    visits : sequence of Visit
        The first is the baseline of changes.

    Returns
    -------
    dict of str to DataFrame
        By the names of `histoquant.study.layout.READER_TABLES`, not yet shaped.
    """
    pairs: list[Row] = []
    rows: list[Row] = []
    for measure in dict.fromkeys(reading.measure for reading in found.readings):
        values = _by_rater([r for r in found.readings if r.measure == measure], found)
        for first, second in _combinations(list(values)):
            for level in ("level", "change"):
                about = {"measure": measure, "rater_a": first, "rater_b": second, "level": level}
                a, b = values[first], values[second]
                if level == "change":
                    a, b = _changes(a, visits), _changes(b, visits)
                compared = _pairs(about, a, b)
                pairs += compared
                rows.append(
                    about | {"scale": scale_of(measure)} | _compare(compared, scale_of(measure), level)
                )
    return {
        "agreement": pd.DataFrame(rows),
        "agreement_pairs": pd.DataFrame(pairs),
        "reader_scores": pd.DataFrame(list(_beside_index(found, biopsies))),
    }


def _by_rater(readings: Sequence[Reading], found: Readings) -> dict[str, dict[Place, float]]:
    """Values on the scale compared, by rater and place; a reader's second read is a rater of its own."""
    values: dict[str, dict[Place, float]] = {}
    for reading in sorted(readings, key=lambda r: (r.rater != MACHINE, r.rater, r.read)):
        rater = reading.rater if reading.read == 1 else f"{reading.rater} (read {reading.read})"
        value = _scaled(reading, found)
        if math.isfinite(value):
            values.setdefault(rater, {})[_place(reading.subject)] = value
    return values


def _place(subject: Subject) -> Place:
    return subject.patient, subject.tract, subject.timepoint, subject.slide_id


def _scaled(reading: Reading, found: Readings) -> float:
    if scale_of(reading.measure) != "log":
        return reading.value
    # half an object on the tissue, as everywhere; without an area a zero has no logarithm
    area = found.area_mm2[reading.subject, reading.measure]
    value = reading.value + (0.5 / area if math.isfinite(area) else 0.0)
    return math.log(value) if value > 0 else math.nan


def _combinations(raters: list[str]) -> Iterator[tuple[str, str]]:
    """All pairs of first reads, and each reader's later reads against the first."""
    first = [rater for rater in raters if " (read " not in rater]
    yield from itertools.combinations(first, 2)
    for rater in raters:
        if rater not in first and rater.split(" (read ")[0] in first:
            yield rater.split(" (read ")[0], rater


def _changes(values: dict[Place, float], visits: Sequence[Visit]) -> dict[Place, float]:
    """Mean over the slides of a biopsy, minus the baseline's of the same tract."""
    biopsies: dict[tuple[str, str, str], list[float]] = {}
    for (patient, tract, timepoint, _), value in values.items():
        biopsies.setdefault((patient, tract, timepoint), []).append(value)
    means = {key: math.fsum(several) / len(several) for key, several in biopsies.items()}
    if not visits:
        return {}
    base, later = visits[0].label, {visit.label for visit in visits[1:]}
    return {
        (patient, tract, timepoint, ""): mean - means[patient, tract, base]
        for (patient, tract, timepoint), mean in means.items()
        if timepoint in later and (patient, tract, base) in means
    }


def _pairs(about: Row, a: dict[Place, float], b: dict[Place, float]) -> list[Row]:
    names = ("patient", "tract", "timepoint", "slide_id")
    return [
        {
            **about,
            **dict(zip(names, place, strict=True)),
            "a": a[place],
            "b": b[place],
            "mean": (a[place] + b[place]) / 2,
            "difference": b[place] - a[place],
        }
        for place in sorted(a.keys() & b.keys())
    ]


def _compare(pairs: list[Row], scale: str, level: str) -> Row:
    a = np.array([pair["a"] for pair in pairs], np.float64)
    b = np.array([pair["b"] for pair in pairs], np.float64)
    names = sorted({pair["patient"] for pair in pairs})
    cluster = np.array([names.index(pair["patient"]) for pair in pairs], np.int64)
    icc = icc_absolute(np.column_stack([a, b]), cluster)
    ccc, limits = concordance(a, b, cluster), bland_altman(a, b, cluster)
    graded = scale == "grade" and level == "level"
    kappa = quadratic_kappa(a, b, cluster) if graded else Estimate()
    steady = np.ptp(a) > 0 and np.ptp(b) > 0 if a.size > 2 else False
    log = scale == "log"
    reasons = dict.fromkeys(x.reason for x in (icc, ccc, limits.bias, limits.loa_low, kappa) if x.reason)
    return {
        "readings": a.size,
        "patients": len(names),
        **cells("icc", icc),
        "icc_class": icc_class(icc.low),
        **cells("ccc", ccc),
        **cells("bias", limits.bias),
        **_limit("loa_low", limits.loa_low),
        **_limit("loa_high", limits.loa_high),
        "bias_ratio": math.exp(limits.bias.value) if log else math.nan,
        "loa_ratio_low": math.exp(limits.loa_low.value) if log else math.nan,
        "loa_ratio_high": math.exp(limits.loa_high.value) if log else math.nan,
        **cells("kappa", kappa),
        "sem": limits.sem,
        "smallest_detectable": limits.smallest_detectable,
        "spearman": float(spearmanr(a, b).statistic) if steady else math.nan,
        "reason": "; ".join(reasons) or None,
    }


def _limit(name: str, limit: Estimate) -> Row:
    return {name: limit.value, f"{name}_from": limit.low, f"{name}_to": limit.high}


def _beside_index(found: Readings, biopsies: pd.DataFrame) -> Iterator[Row]:
    """Rank correlation of imported scores with the index: association, not agreement."""
    index = {
        (row["patient"], "" if pd.isna(row["tract"]) else row["tract"], row["timepoint"]): row[
            "inflammation_score"
        ]
        for row in biopsies.to_dict("records")
        if pd.notna(row["inflammation_score"])
    }
    groups: dict[tuple[str, str], list[Reading]] = {}
    for reading in found.readings:
        if is_imported(reading.measure) and reading.read == 1:
            groups.setdefault((reading.measure, reading.rater), []).append(reading)
    for (score, rater), readings in sorted(groups.items()):
        both = [
            (r.subject.patient, r.value, float(index[key]))
            for r in readings
            if (key := (r.subject.patient, r.subject.tract, r.subject.timepoint)) in index
        ]
        association = _rank_correlation(both)
        yield {
            "score": score,
            "reader": rater,
            "biopsies": len(both),
            "patients": len({patient for patient, _, _ in both}),
            "spearman": association.value,
            "low": association.low,
            "high": association.high,
            "reason": association.reason,
        }


def _rank_correlation(both: list[tuple[str, float, float]]) -> Estimate:
    if len({patient for patient, _, _ in both}) < _MIN_SUBJECTS:
        return Estimate(reason=few("patients", len({patient for patient, _, _ in both}), _MIN_SUBJECTS))
    x, y = (np.array([row[at] for row in both], np.float64) for at in (1, 2))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(reason="NO_VARIATION (one of the two is the same everywhere)")
    names = sorted({patient for patient, _, _ in both})
    cluster = np.array([names.index(patient) for patient, _, _ in both], np.int64)

    def value(kept: NDArray[np.bool_]) -> float:
        steady = np.ptp(x[kept]) > 0 and np.ptp(y[kept]) > 0
        return float(spearmanr(x[kept], y[kept]).statistic) if steady else math.nan

    low, high = correlation_limits(value, cluster)
    reason = "NO_INTERVAL (one patient alone makes the scores differ)" if math.isnan(low) else None
    return Estimate(value(np.ones(x.size, np.bool_)), low, high, reason=reason)
