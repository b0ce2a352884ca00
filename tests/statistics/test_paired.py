from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct, wilcoxon

from histoquant.statistics.paired import (
    benjamini_hochberg,
    hodges_lehmann,
    holm,
    mean_change,
    response_mean,
    sign_flip_p,
    signed_rank,
    walsh_averages,
)

GOLDEN = np.array([-5, -3, -2, 1, -7, -4, 0.5, -6])


def test_golden_values() -> None:
    assert hodges_lehmann(GOLDEN)[0].value == -3.125
    test = signed_rank(GOLDEN)
    assert (test.w, test.p) == (3.0, 0.0390625)


def test_twenty_patients_take_the_53rd_walsh_averages() -> None:
    values = np.random.default_rng(1).normal(size=20)
    estimate, attained = hodges_lehmann(values)
    averages = walsh_averages(values)
    assert averages.size == 210
    assert (estimate.low, estimate.high) == (averages[52], averages[-53])
    assert attained == pytest.approx(95.2, abs=0.05)


@pytest.mark.parametrize(("n", "least"), [(5, 0.0625), (6, 0.03125)])
def test_five_pairs_cannot_reach_five_percent(n: int, least: float) -> None:
    values = np.arange(1.0, n + 1)
    test = signed_rank(values)
    assert test.p == test.smallest_p == least
    estimate, _ = hodges_lehmann(values)
    assert math.isnan(estimate.low) == (n == 5)
    assert (estimate.reason == "FEW_PATIENTS (5 of at least 6)") == (n == 5)


@pytest.mark.parametrize("n", [3, 6, 11, 20, 40])
def test_without_ties_it_is_scipys_exact_test(n: int) -> None:
    rng = np.random.default_rng(n)
    for shift in (0.0, 0.4, -1.0):
        values = rng.normal(shift, 1, n)
        assert signed_rank(values).p == pytest.approx(wilcoxon(values, method="exact").pvalue, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_zeros_and_ties_are_exact_against_every_sign_pattern(whole: list[int]) -> None:
    values = np.array(whole, float)
    magnitude = np.abs(values)
    order = np.argsort(magnitude, kind="stable")
    ranks = np.empty(values.size)
    for size in np.unique(magnitude):
        same = magnitude == size
        ranks[same] = np.mean(np.flatnonzero(np.sort(magnitude) == size)) + 1
    assert order.size == values.size
    used = ranks[values != 0]
    observed = ranks[values > 0].sum()
    sums = [
        sum(r for r, up in zip(used, ups, strict=True) if up)
        for ups in itertools.product((0, 1), repeat=used.size)
    ]
    tails = (np.mean(np.array(sums) <= observed + 1e-9), np.mean(np.array(sums) >= observed - 1e-9))
    assert signed_rank(values).p == pytest.approx(min(1.0, 2 * min(tails)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=6, max_size=25), st.floats(-3, 3))
def test_the_interval_moves_with_the_data_and_turns_with_its_sign(values: list[float], shift: float) -> None:
    data = np.array(values)
    here, _ = hodges_lehmann(data)
    there, _ = hodges_lehmann(data + shift)
    turned, _ = hodges_lehmann(-data)
    assert there.low == pytest.approx(here.low + shift, abs=1e-9)
    assert turned.high == pytest.approx(-here.low, abs=1e-9)
    assert here.low <= here.value <= here.high


def test_sign_flips_count_every_pattern_when_few() -> None:
    values = np.array([1.0, 2.0, 3.0, 5.0, -0.5])
    means = [np.mean(values * signs) for signs in itertools.product((-1, 1), repeat=5)]
    extreme = np.mean(np.array(means) >= values.mean() - 1e-9)
    assert sign_flip_p(values, 7) == pytest.approx(2 * extreme)
    many = np.random.default_rng(2).normal(0.3, 1, 20)
    assert sign_flip_p(many, 7) == sign_flip_p(many, 7)


def test_standardised_response_mean_has_the_noncentral_interval() -> None:
    values = np.random.default_rng(3).normal(-0.8, 1, 20)
    srm = response_mean(values)
    t = srm.value * math.sqrt(20)
    assert nct.cdf(t, 19, srm.low * math.sqrt(20)) == pytest.approx(0.975, abs=1e-6)
    assert nct.cdf(t, 19, srm.high * math.sqrt(20)) == pytest.approx(0.025, abs=1e-6)


def test_one_pair_and_equal_pairs_give_reasons() -> None:
    assert mean_change(np.array([2.0])).reason == "FEW_PATIENTS (1 of at least 2)"
    assert mean_change(np.full(8, 0.5)).reason == "NO_VARIATION (all changes are equal)"
    assert response_mean(np.full(8, 0.5)).reason == "NO_VARIATION (all changes are equal)"
    assert signed_rank(np.zeros(8)).p == 1.0


def test_changes_that_hardly_differ_end_with_a_reason() -> None:
    hardly = 1.0 + 1e-6 * np.arange(6)
    assert response_mean(hardly).reason == "NO_INTERVAL (the changes hardly differ)"
    rounded = np.log(np.array([3.0, 5.0, 7.0, 11.0]) * 0.3) - np.log(np.array([3.0, 5.0, 7.0, 11.0]))
    assert np.ptp(rounded) > 0
    assert response_mean(rounded).reason == mean_change(rounded).reason
    assert mean_change(rounded).reason == "NO_VARIATION (all changes are equal)"


def test_adjusted_p_values() -> None:
    p = np.array([0.01, 0.02, 0.04])
    np.testing.assert_allclose(holm(p), [0.03, 0.04, 0.04])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.03, 0.03, 0.04])
    with_gap = holm(np.array([0.01, math.nan, 0.04]))
    np.testing.assert_allclose(with_gap[[0, 2]], [0.02, 0.04])
    assert math.isnan(with_gap[1])
