from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histoquant.statistics.models import count_model, mixed_model

VISITS = ("V1", "V2", "V3")
MONTHS = (0.0, 2.0, 4.0)


def biopsies(
    seed: int, effects: tuple[float, ...] = (0.0, -0.3, -0.6), patients: int = 20, tracts: int = 2
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        level, slope = rng.normal(0, 0.4), rng.normal(0, 0.05)
        for tract in range(tracts):
            tract_level = rng.normal(0, 0.3)
            for visit, month, effect in zip(VISITS, MONTHS, effects, strict=True):
                area = rng.uniform(0.5, 3.0)
                mean = np.exp(5.5 + level + tract_level + slope * month + effect + rng.normal(0, 0.15)) * area
                count = rng.poisson(mean)
                rows.append((f"P{patient}", f"P{patient}/T{tract}", visit, month, float(count), area))
    table = pd.DataFrame(rows, columns=["patient", "tract", "visit", "month", "count", "area_mm2"])
    return table.assign(y=np.log((table["count"] + 0.5) / table["area_mm2"]))


def test_planted_changes_are_recovered_by_both_models() -> None:
    table = biopsies(1)
    for fit in (mixed_model(table, VISITS), count_model(table, VISITS)):
        assert fit.reason is None
        assert (fit.patients, fit.biopsies) == (20, 120)
        for found, planted in zip(fit.changes, (-0.3, -0.6), strict=True):
            assert found.low < planted < found.high
            assert found.high - found.low < 0.4


def test_order_of_rows_does_not_matter_to_the_counts_model() -> None:
    table = biopsies(2)
    shuffled = table.sample(frac=1, random_state=1)
    first, second = count_model(table, VISITS), count_model(shuffled, VISITS)
    assert first.changes[1].value == pytest.approx(second.changes[1].value, rel=1e-9)
    assert first.changes[1].low == pytest.approx(second.changes[1].low, rel=1e-9)


def test_incomplete_patients_are_used() -> None:
    table = biopsies(3)
    gaps = table[~((table["patient"] == "P0") & (table["visit"] == "V1"))]
    fit = mixed_model(gaps, VISITS)
    assert (fit.patients, fit.biopsies) == (20, 118)


def test_the_patients_slope_widens_the_interval() -> None:
    rng = np.random.default_rng(4)
    table = biopsies(4)
    slopes = {patient: rng.normal(0, 0.25) for patient in table["patient"].unique()}
    steep = table.assign(y=table["y"] + table["patient"].map(slopes) * table["month"])
    calm, varied = mixed_model(table, VISITS).changes[1], mixed_model(steep, VISITS).changes[1]
    assert varied.high - varied.low > 1.5 * (calm.high - calm.low)


def test_what_cannot_be_fitted_says_why() -> None:
    table = biopsies(5)
    two = table[table["patient"].isin(["P0", "P1"])]
    assert mixed_model(two, VISITS).reason == "FEW_PATIENTS (2 of at least 5)"
    assert mixed_model(table, VISITS[:1]).reason == "FEW_TIMEPOINTS (1 of at least 2)"
    assert mixed_model(table.assign(y=1.0), VISITS).reason == "NO_VARIATION (all values are equal)"
    alone = biopsies(6, tracts=1)
    alone = alone[alone["visit"] != "V2"]
    reason = mixed_model(alone, ("V1", "V3")).reason
    assert reason == "SLOPE_NOT_IDENTIFIABLE (two timepoints, one tract each)"
    nothing = table.assign(count=table["count"].where(table["visit"] != "V3", 0.0))
    assert count_model(nothing, VISITS).reason == "ALL_ZERO (a timepoint without a single count has no ratio)"
