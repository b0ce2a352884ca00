from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import t as t_distribution

from histoquant.statistics.gee import count_model, degrees_of, influences
from histoquant.statistics.mixed import mixed_model
from histoquant.statistics.models import design_of
from histoquant.statistics.paired import mean_change

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


def test_the_mixed_model_is_that_of_statsmodels() -> None:
    table = biopsies(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = smf.mixedlm(
            "y ~ C(visit)",
            table,
            groups="patient",
            re_formula="1+month",
            vc_formula={"tract": "0+C(tract)"},
        ).fit(reml=True)
    fit = mixed_model(table, VISITS)
    assert [change.value for change in fit.changes] == pytest.approx(list(peer.fe_params[1:]), abs=1e-4)
    for change, degrees, error in zip(fit.changes, fit.degrees, peer.bse_fe[1:], strict=True):
        reach = (change.high - change.value) / t_distribution.ppf(0.975, degrees)
        # nothing is missing: then estimating variances adds nothing to the error
        assert reach == pytest.approx(error, rel=1e-3)


def test_of_complete_data_the_mixed_model_gives_the_paired_t_of_patients() -> None:
    table = biopsies(1)
    wide = table.pivot_table(index="patient", columns="visit", values="y")
    paired = mean_change((wide["V3"] - wide["V1"]).to_numpy())
    fit = mixed_model(table, VISITS)
    found = fit.changes[1]
    assert (found.value, found.low, found.high) == pytest.approx((paired.value, paired.low, paired.high))
    assert fit.degrees[1] == pytest.approx(19, abs=1e-3)
    # the slope says little of the middle: much of its error is between biopsies, of which there are more
    assert 19 < fit.degrees[0] < 80


def test_gaps_widen_the_error_and_lower_its_degrees() -> None:
    rng = np.random.default_rng(7)
    table = biopsies(7)
    gaps = table[(table["visit"] == "V1") | (rng.random(len(table)) > 0.5)]
    whole, part = mixed_model(table, VISITS), mixed_model(gaps, VISITS)
    assert part.changes[1].high - part.changes[1].low > whole.changes[1].high - whole.changes[1].low
    assert part.degrees[1] < whole.degrees[1]


def test_slopes_that_cannot_be_told_from_none_are_left_out() -> None:
    rng = np.random.default_rng(9)
    table = biopsies(9, patients=8)
    noise = rng.normal(0, 0.2, len(table))
    own = {name: rng.normal(0, 0.3) for name in table["tract"].unique()}
    table = table.assign(y=noise + table["tract"].map(own))
    fit = mixed_model(table[(table["visit"] == "V1") | (rng.random(len(table)) > 0.3)], VISITS)
    assert fit.warnings == ("patients' slopes are left out: their variance cannot be told from zero",)
    assert fit.boundary
    assert fit.converged
    assert all(change.low < 0 < change.high for change in fit.changes)


def test_influences_add_up_to_the_bias_reduced_covariance() -> None:
    table = biopsies(2).sort_values(["patient", "tract", "visit"])
    model = sm.GEE(
        table["count"].to_numpy(),
        design_of(table, VISITS),
        groups=table["patient"].to_numpy(),
        family=sm.families.NegativeBinomial(alpha=0.2),
        offset=np.log(table["area_mm2"].to_numpy()),
        cov_struct=sm.cov_struct.Exchangeable(),
    )
    result = model.fit(cov_type="bias_reduced")
    added = influences(result)
    assert added.T @ added == pytest.approx(np.asarray(result.cov_robust_bc), rel=1e-6)


def test_degrees_fall_where_few_patients_make_the_variance() -> None:
    even = np.array([1.0, -1.0] * 10)
    assert degrees_of(even) == 19
    normal = np.random.default_rng(1).normal(size=100_000)
    assert degrees_of(normal) == pytest.approx(100_000, rel=0.05)
    uneven = np.r_[np.full(18, 0.1), 3.0, -3.0]
    assert degrees_of(uneven) < 5
