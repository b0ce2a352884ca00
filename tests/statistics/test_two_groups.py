from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from histoquant.statistics.gee import clustered_odds
from histoquant.statistics.two_groups import adjusted_difference, clustered_share, compare_events, exact_share


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(12, 20, 36.1, 80.9), (16, 20, 56.3, 94.3), (12, 23, 30.6, 73.2), (30, 43, 53.9, 82.8)],
)
def test_exact_intervals_of_the_published_shares(successes: int, total: int, low: float, high: float) -> None:
    found = exact_share(successes, total)
    assert (100 * found.low, 100 * found.high) == pytest.approx((low, high), abs=0.05)


def test_clustered_rows_say_less_than_independent_ones() -> None:
    cluster = np.repeat(np.arange(20), 3)
    together = np.repeat(np.arange(20) % 10 < 7, 3)
    apart = np.random.default_rng(1).permutation(together)
    exact = exact_share(42, 60)
    whole, mixed = clustered_share(together, cluster), clustered_share(apart, cluster)
    assert whole.value == mixed.value == pytest.approx(0.7)
    assert whole.high - whole.low > 1.5 * (exact.high - exact.low)
    assert mixed.high - mixed.low == pytest.approx(exact.high - exact.low, rel=0.2)


def test_all_rows_agree_and_few_clusters() -> None:
    everything = clustered_share(np.ones(43, bool), np.arange(43) % 20)
    assert (everything.value, everything.high) == (1.0, 1.0)
    assert 0.7 < everything.low < 0.95
    assert clustered_share(np.ones(4, bool), np.arange(4)).reason == "FEW_PATIENTS (4 of at least 5)"
    assert exact_share(0, 0).reason == "FEW_PATIENTS (0 of at least 1)"


def test_baseline_is_adjusted_for() -> None:
    rng = np.random.default_rng(1)
    arm = np.arange(40) % 2 == 0
    before = rng.normal(0, 1, 40) + 0.8 * arm
    after = 0.9 * before + rng.normal(0, 0.2, 40) - 0.5 * arm
    found = adjusted_difference(after, before, arm)
    assert found.low < -0.5 < found.high
    assert found.value == pytest.approx(-0.5, abs=0.15)
    assert found.p < 0.001


def test_small_arms_and_flat_baselines_give_reasons() -> None:
    values = np.arange(6.0)
    few = adjusted_difference(values, values, np.array([True, True, False, False, False, False]))
    assert few.reason == "FEW_PATIENTS (2 of at least 3) in the smaller arm"
    flat = adjusted_difference(values, np.ones(6), np.arange(6) < 3)
    assert flat.reason == "NO_VARIATION (baseline does not vary apart from the arm)"


def test_a_covariate_that_differs_between_arms_is_adjusted_for() -> None:
    rng = np.random.default_rng(5)
    in_arm = np.arange(40) < 20
    site = (rng.random(40) < np.where(in_arm, 0.8, 0.2)).astype(float)
    before = rng.normal(size=40)
    after = 0.5 * before + 2.0 * site - 0.3 * in_arm + rng.normal(0, 0.2, 40)
    plain = adjusted_difference(after, before, in_arm)
    beside = adjusted_difference(after, before, in_arm, site[:, None])
    assert plain.value > 0.5
    assert beside.value == pytest.approx(-0.3, abs=0.2)
    assert beside.high < 0
    same = adjusted_difference(after, before, in_arm, in_arm[:, None].astype(float))
    assert same.reason == "NO_VARIATION (what is adjusted for does not vary apart from the arm)"


def test_a_slope_set_by_one_patient_has_no_error() -> None:
    after = np.random.default_rng(0).normal(size=12)
    before = np.where(np.arange(12) == 3, 1.0, 0.0)
    found = adjusted_difference(after, before, np.arange(12) < 6)
    assert found.reason == "NO_STANDARD_ERROR (one patient alone sets the slope)"
    assert np.isnan([found.low, found.high, found.p]).all()


def test_events_of_nobody_and_of_everybody() -> None:
    assert compare_events(0, 10, 0, 10).boschloo_p == 1.0
    assert compare_events(10, 10, 10, 10).boschloo_p == 1.0
    assert (
        compare_events(0, 0, 3, 10).difference.reason == "FEW_PATIENTS (0 of at least 1) in the smaller arm"
    )
    found = compare_events(0, 10, 7, 10)
    # exact without fixed margins, so no larger than Fisher's, which is
    assert found.boschloo_p < fisher_exact([[0, 10], [7, 3]]).pvalue < 0.01
    assert found.difference.high < 0


def test_odds_of_closure_by_fall() -> None:
    rng = np.random.default_rng(2)
    patient = np.repeat([f"P{n}" for n in range(30)], 2).astype(object)
    fall = rng.normal(0, 1, 60)
    closed = rng.random(60) < 1 / (1 + np.exp(-1.5 * fall))
    found = clustered_odds(closed, fall, patient)
    assert found.low < np.exp(1.5 * np.std(fall, ddof=1)) < found.high
    assert found.low > 1
    assert clustered_odds(fall > 0, fall, patient).reason.startswith("NO_FIT")
    assert clustered_odds(np.ones(60, bool), fall, patient).reason.startswith("FEW_TRACTS (0 of at least 5)")
    assert clustered_odds(closed, np.ones(60), patient).reason == "NO_VARIATION (all changes are equal)"
