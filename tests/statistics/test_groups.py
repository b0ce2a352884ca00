"""Trends over time, ordered groups and separation of two groups."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from histoquant.statistics.ordered import jonckheere
from histoquant.statistics.separation import area_under_curve
from histoquant.statistics.trends import skillings_mack, trend


def test_golden_friedman_and_page() -> None:
    rows = np.array([(10, 8, 6), (12, 9, 10), (7, 7.5, 5), (15, 11, 9), (9, 6, 4)], float)
    found = trend(rows)
    assert found.chi2 == pytest.approx(6.4)
    assert found.p == pytest.approx(0.0408, abs=5e-5)
    assert found.fall_l == 68
    assert found.fall_p == pytest.approx(0.00656, abs=5e-6)
    assert found.rise_p > 0.9


def test_two_timepoints_two_patients_and_no_change_give_reasons() -> None:
    assert trend(np.ones((9, 2))).reason == "FEW_TIMEPOINTS (2 of at least 3)"
    assert trend(np.ones((2, 3))).reason == "FEW_PATIENTS (2 of at least 3)"
    assert trend(np.ones((9, 3))).reason == "NO_VARIATION (no patient changes)"


def test_golden_skillings_mack() -> None:
    """Assembly times of Skillings and Mack 1981: SM = 15.493, p = 0.0014."""
    gap = np.nan
    times = np.array(
        [
            [3.2, 4.1, 3.8, 4.2],
            [3.1, 3.9, 3.4, 4.0],
            [4.3, 3.5, 4.6, 4.8],
            [3.5, 3.6, 3.9, 4.0],
            [3.6, 4.2, 3.7, 3.9],
            [4.5, 4.7, 3.7, gap],
            [gap, 4.2, 3.4, gap],
            [4.3, 4.6, 4.4, 4.9],
            [3.5, gap, 3.7, 3.9],
        ]
    )
    found = skillings_mack(times)
    assert (found.statistic, found.rows) == (pytest.approx(15.493, abs=5e-4), 9)
    assert found.p == pytest.approx(0.00144, abs=5e-6)
    # a row with one value says nothing
    alone = np.vstack([times, [3.0, gap, gap, gap]])
    assert skillings_mack(alone) == found


def test_without_gaps_skillings_mack_is_friedman_also_with_ties() -> None:
    rows = np.random.default_rng(1).integers(0, 4, (9, 3)).astype(float)
    assert skillings_mack(rows).statistic == pytest.approx(trend(rows).chi2)
    assert skillings_mack(rows).p == pytest.approx(trend(rows).p)


def test_skillings_mack_says_what_it_lacks() -> None:
    assert skillings_mack(np.ones((9, 2))).reason == "FEW_TIMEPOINTS (2 of at least 3)"
    assert skillings_mack(np.ones((9, 3))).reason == "NO_VARIATION (no patient changes)"
    assert skillings_mack(np.full((9, 3), np.nan)).reason == "FEW_PATIENTS (0 of at least 3)"
    apart = np.array([[1.0, 2.0, np.nan]] * 5)
    assert skillings_mack(apart).reason == "NOT_CONNECTED (timepoints share no patient)"


def test_golden_jonckheere() -> None:
    groups = [(40, 35, 38, 43, 44, 41), (38, 40, 47, 44, 40, 42), (48, 40, 45, 43, 46, 44)]
    found = jonckheere([np.array(group, float) for group in groups], 1)
    assert found.j == 79
    assert found.method == "permutation 9999"
    # the normal approximation gives 0.043; Jonckheere's own example
    assert found.p == pytest.approx(0.043, abs=0.01)


def test_moments_of_the_published_response_classes() -> None:
    values = np.random.default_rng(1).permutation(20).astype(float)
    found = jonckheere([values[:12], values[12:16], values[16:]], 1)
    assert (found.expected, found.variance, found.method) == (56, 180, "exact")


def test_exact_jonckheere_is_the_share_of_all_arrangements() -> None:
    values = np.array([0.3, 1.2, 2.5, 2.6, 4.0, 5.5, 6.1])
    sizes = (2, 3, 2)

    def statistic(order: tuple[int, ...]) -> float:
        label = np.repeat(np.arange(3), sizes)
        ranked = np.array(order)
        return sum(ranked[i] < ranked[j] for i in range(7) for j in range(7) if label[i] < label[j])

    everything = np.array([statistic(order) for order in itertools.permutations(range(7))])
    order = (0, 3, 1, 2, 6, 4, 5)
    placed = values[list(order)]
    found = jonckheere([placed[:2], placed[2:5], placed[5:]], 1)
    assert found.j == statistic(order)
    tail = min(np.mean(everything <= found.j), np.mean(everything >= found.j))
    assert found.p == pytest.approx(min(1.0, 2 * tail))


def test_two_groups_of_jonckheere_are_mann_whitney() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=8), rng.normal(0.8, 1, size=11)
    assert jonckheere([a, b], 1).p == pytest.approx(mannwhitneyu(b, a, method="exact").pvalue)


def test_area_under_the_curve_and_its_edges() -> None:
    apart = area_under_curve(np.arange(12.0) + 20, np.arange(8.0), 1)
    assert apart.value == 1.0
    assert 0.7 < apart.low < 1.0 == apart.high
    turned = area_under_curve(np.arange(8.0), np.arange(12.0) + 20, 1)
    assert (turned.value, turned.low) == (0.0, 0.0)
    assert turned.high == pytest.approx(1 - apart.low)
    same = area_under_curve(np.ones(5), np.ones(4), 1)
    assert same.value == 0.5
    assert same.p == 1.0
    assert (
        area_under_curve(np.ones(5), np.ones(1), 1).reason
        == "FEW_PATIENTS (1 of at least 2) in the smaller group"
    )


def test_half_width_at_twelve_against_eight() -> None:
    """Hanley and McNeil: about 0.20 either side at an area of 0.8 with 12 and 8 patients."""
    rng = np.random.default_rng(5)
    widths = []
    for _ in range(200):
        found = area_under_curve(rng.normal(1.19, 1, 12), rng.normal(0, 1, 8), 1)
        if 0.75 < found.value < 0.85:
            widths.append((found.high - found.low) / 2)
    assert np.mean(widths) == pytest.approx(0.20, abs=0.02)
    assert not any(math.isnan(width) for width in widths)
