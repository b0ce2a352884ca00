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
    assert concordance(X, Y, np.arange(5)).value == pytest.approx(0.98855, abs=5e-6)
    compared = bland_altman(X, Y, np.arange(5))
    assert compared.bias.value == pytest.approx(0.4)
    assert (compared.loa_low.value, compared.loa_high.value) == pytest.approx((-4.112, 4.912), abs=5e-4)
    assert compared.smallest_detectable == pytest.approx(1.959964 * np.std(Y - X, ddof=1))


def test_golden_quadratic_kappa() -> None:
    table = np.array([[5, 1, 0], [1, 6, 2], [0, 1, 4]])
    first, second = (np.repeat(axis.ravel(), table.ravel()).astype(float) for axis in np.indices((3, 3)))
    kappa = quadratic_kappa(first, second, np.arange(20))
    assert kappa.value == pytest.approx(0.7826, abs=5e-5)
    assert kappa.low < kappa.value < kappa.high <= 1


def test_a_constant_shift_costs_absolute_agreement_and_correlation_does_not_see_it() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(5, 1, 40)
    a, b = truth + rng.normal(0, 0.1, 40), truth + 1.5 + rng.normal(0, 0.1, 40)
    assert np.corrcoef(a, b)[0, 1] > 0.97
    assert icc_absolute(np.column_stack([a, b])).value < 0.6
    assert concordance(a, b, np.arange(40)).value < 0.6


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


def test_readings_of_one_patient_are_not_independent() -> None:
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(10), 8)
    # what is common to a patient's readings is said once, however many there are
    a = rng.normal(0, 1, 10)[patient] + rng.normal(0, 0.1, 80)
    b = a + rng.normal(0, 0.5, 10)[patient] + rng.normal(0, 0.05, 80)
    alone = np.arange(80)
    grade_a, grade_b = np.clip(np.round(a), -2, 2), np.clip(np.round(b), -2, 2)
    for clustered, each_alone in (
        (icc_absolute(np.column_stack([a, b]), patient), icc_absolute(np.column_stack([a, b]))),
        (concordance(a, b, patient), concordance(a, b, alone)),
        (quadratic_kappa(grade_a, grade_b, patient), quadratic_kappa(grade_a, grade_b, alone)),
        (bland_altman(a, b, patient).loa_high, bland_altman(a, b, alone).loa_high),
    ):
        assert clustered.low < clustered.value < clustered.high
        assert clustered.high - clustered.low > 1.5 * (each_alone.high - each_alone.low)


def test_limits_of_agreement_are_those_of_a_new_patient() -> None:
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(4), 50)
    difference = np.array([-3.0, -1.0, 1.0, 3.0])[patient] + rng.normal(0, 0.01, 200)
    found = bland_altman(np.zeros(200), difference, patient)
    # four patients: their variance has three degrees of freedom, not 199
    assert found.loa_high.value == pytest.approx(1.96 * np.sqrt(20 / 3), rel=0.01)


@pytest.mark.parametrize(
    ("low", "name"), [(0.95, "excellent"), (0.8, "good"), (0.5, "moderate"), (-0.2, "poor")]
)
def test_class_of_the_lower_limit(low: float, name: str) -> None:
    assert icc_class(low) == name
    assert icc_class(math.nan) is None


def test_degenerate_readings_give_reasons() -> None:
    same = np.full((6, 2), 3.0)
    assert icc_absolute(same).reason == "NO_VARIATION (all readings are equal)"
    assert concordance(same[:, 0], same[:, 1], np.arange(6)).reason == "NO_VARIATION (all readings are equal)"
    assert icc_absolute(np.ones((2, 2))).reason == "FEW_READINGS (2 of at least 3)"
    assert concordance(X[:2], Y[:2], np.arange(2)).reason == "FEW_READINGS (2 of at least 3)"
    assert concordance(X, Y, np.array([0, 0, 0, 1, 1])).reason == "FEW_PATIENTS (2 of at least 3)"
    one = bland_altman(X, Y, np.zeros(5, int))
    assert one.loa_low.value == pytest.approx(-4.112, abs=5e-4)
    assert one.loa_low.reason == "NO_INTERVAL (too few patients, or their readings do not differ)"
    values = np.arange(6.0)
    perfect = icc_absolute(np.column_stack([values, values]))
    assert (perfect.value, perfect.reason) == (1.0, "NO_VARIATION (readers differ by a constant)")
    assert concordance(values, values, np.arange(6)).value == 1.0
    assert concordance(values, np.ones(6), np.arange(6)).value == 0.0
    assert quadratic_kappa(np.zeros(5), np.zeros(5), np.arange(5)).reason == "NO_VARIATION (one grade only)"
    assert bland_altman(values, values, np.zeros(6, int)).bias.reason == "FEW_PATIENTS (1 of at least 2)"
