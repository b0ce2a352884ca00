from __future__ import annotations

import math

import numpy as np
import pytest

from histoquant.statistics.agreement import (
    bland_altman,
    concordance,
    icc_absolute,
    icc_class,
    mean_squares,
    quadratic_kappa,
)

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
X, Y = np.array([10.0, 20, 30, 40, 50]), np.array([12.0, 18, 33, 41, 48])


def test_golden_intraclass_correlations() -> None:
    ms = mean_squares(SHROUT_FLEISS)
    within = (ms.columns * (ms.k - 1) + ms.rest * (ms.n - 1) * (ms.k - 1)) / (ms.n * (ms.k - 1))
    assert (ms.rows - within) / (ms.rows + (ms.k - 1) * within) == pytest.approx(0.1657, abs=5e-5)
    assert (ms.rows - ms.rest) / (ms.rows + (ms.k - 1) * ms.rest) == pytest.approx(0.7148, abs=5e-5)
    icc = icc_absolute(SHROUT_FLEISS)
    assert icc.value == pytest.approx(0.2898, abs=5e-5)
    # as R's psych and irr print it for these data
    assert (icc.low, icc.high) == pytest.approx((0.0188, 0.7611), abs=5e-5)


def test_golden_concordance_and_limits() -> None:
    assert concordance(X, Y).value == pytest.approx(0.98855, abs=5e-6)
    compared = bland_altman(X, Y, np.arange(5))
    assert compared.bias.value == pytest.approx(0.4)
    assert (compared.loa_low, compared.loa_high) == pytest.approx((-4.112, 4.912), abs=5e-4)
    assert compared.smallest_detectable == pytest.approx(1.959964 * np.std(Y - X, ddof=1))


def test_golden_quadratic_kappa() -> None:
    kappa = quadratic_kappa(np.array([[5, 1, 0], [1, 6, 2], [0, 1, 4]]))
    assert kappa.value == pytest.approx(0.7826, abs=5e-5)
    assert kappa.low < kappa.value < kappa.high <= 1


def test_a_constant_shift_costs_absolute_agreement_and_correlation_does_not_see_it() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(5, 1, 40)
    a, b = truth + rng.normal(0, 0.1, 40), truth + 1.5 + rng.normal(0, 0.1, 40)
    assert np.corrcoef(a, b)[0, 1] > 0.97
    assert icc_absolute(np.column_stack([a, b])).value < 0.6
    assert concordance(a, b).value < 0.6


def test_negative_agreement_is_reported_as_it_is() -> None:
    values = np.arange(8.0)
    assert icc_absolute(np.column_stack([values, values[::-1]])).value < 0


def test_whole_patients_are_drawn() -> None:
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(10), 8)
    difference = rng.normal(0, 1, 10)[patient] + rng.normal(0, 0.1, 80)
    a = rng.normal(size=80)
    clustered = bland_altman(a, a + difference, patient).bias
    each_alone = bland_altman(a, a + difference, np.arange(80)).bias
    assert clustered.high - clustered.low > 1.8 * (each_alone.high - each_alone.low)


@pytest.mark.parametrize(
    ("low", "name"), [(0.95, "excellent"), (0.8, "good"), (0.5, "moderate"), (-0.2, "poor")]
)
def test_class_of_the_lower_limit(low: float, name: str) -> None:
    assert icc_class(low) == name
    assert icc_class(math.nan) is None


def test_degenerate_readings_give_reasons() -> None:
    same = np.full((6, 2), 3.0)
    assert icc_absolute(same).reason == "NO_VARIATION (all readings are equal)"
    assert concordance(same[:, 0], same[:, 1]).reason == "NO_VARIATION (all readings are equal)"
    assert icc_absolute(np.ones((2, 2))).reason == "FEW_READINGS (2 of at least 3)"
    assert concordance(X[:3], Y[:3]).reason == "FEW_READINGS (3 of at least 4)"
    values = np.arange(6.0)
    perfect = icc_absolute(np.column_stack([values, values]))
    assert (perfect.value, perfect.reason) == (1.0, "NO_VARIATION (readers differ by a constant)")
    assert concordance(values, values).value == 1.0
    assert concordance(values, np.ones(6)).value == 0.0
    assert quadratic_kappa(np.diag([5, 0, 0])).reason == "NO_VARIATION (one grade only)"
    assert bland_altman(values, values, np.zeros(6, int)).bias.reason == "FEW_PATIENTS (1 of at least 2)"
