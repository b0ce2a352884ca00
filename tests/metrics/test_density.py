"""Densities and intervals against golden values, and the properties any density must have."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoquant.errors import UsageError
from histoquant.metrics.density import (
    density,
    hpf_area_mm2,
    log_density,
    log_density_change,
    overdispersion,
    per_hpf,
    poisson_interval,
    pooled_density,
)

counts = st.integers(0, 100_000)
areas = st.floats(0.26, 500)


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390), (100, 81.36, 121.63)]
)
def test_poisson_interval_of_one_mm2_is_the_exact_one(count, low, high):
    interval = poisson_interval(count, 1.0)
    assert interval.low == pytest.approx(low, rel=1e-3)
    assert interval.high == pytest.approx(high, rel=1e-3)


@pytest.mark.parametrize(
    ("field_number", "tube", "area"), [(22, 1, 0.2376), (20, 1, 0.1963), (18, 1, 0.1590), (22, 1.25, 0.1521)]
)
def test_high_power_field_areas(field_number, tube, area):
    assert hpf_area_mm2(field_number, 40, tube) == pytest.approx(area, abs=5e-5)


def test_a_count_per_field_carries_the_area_of_the_field():
    assert per_hpf(100, 0.2376) == {"per_hpf": pytest.approx(23.76), "hpf_area_mm2": 0.2376}
    with pytest.raises(UsageError, match="area in mm2"):
        per_hpf(100, 0)
    with pytest.raises(UsageError, match="above 0"):
        hpf_area_mm2(0)


def test_no_tissue_is_empty_and_no_cells_is_zero():
    assert density(0, 0) == density(0, 0).missing("NO_TISSUE")
    assert poisson_interval(3, 0).reason == "NO_TISSUE"
    assert log_density(0, 0).reason == "NO_TISSUE"
    assert density(0, 2.0).value == 0
    assert density(0, 2.0).reason is None


def test_little_tissue_keeps_its_value_and_says_so():
    assert density(10, 0.2).value == pytest.approx(50)
    assert density(10, 0.2).reason == "INSUFFICIENT_TISSUE"
    assert density(10, 0.25).reason is None


@pytest.mark.parametrize("area", [-1.0, math.nan, math.inf])
def test_impossible_areas_are_refused(area):
    with pytest.raises(UsageError, match="mm2"):
        density(1, area)


@given(counts, areas)
def test_a_section_twice_has_the_density_of_one(count, area):
    assert pooled_density([count, count], [area, area]).value == pytest.approx(density(count, area).value)


@given(counts, areas)
def test_doubling_um_per_pixel_quarters_the_density(count, area):
    assert density(count, 4 * area).value == pytest.approx(density(count, area).value / 4)


@given(counts, areas, st.floats(1, 50))
def test_the_interval_holds_the_density_and_widens_with_dispersion(count, area, phi):
    plain, wide = poisson_interval(count, area), poisson_interval(count, area, phi)
    assert wide.low <= plain.low * (1 + 1e-9) <= count / area * (1 + 1e-6) + 1e-9
    assert plain.high >= count / area
    assert wide.high >= plain.high * (1 - 1e-9)


def test_pooling_is_a_ratio_of_sums_not_a_mean_of_densities():
    assert pooled_density([10, 0], [1.0, 9.0]).value == pytest.approx(1.0)
    with pytest.raises(UsageError, match="2 counts for 1 areas"):
        pooled_density([1, 2], [1.0])


def test_overdispersion_is_one_for_poisson_counts_and_more_for_clusters():
    generator = np.random.default_rng(3)
    area = generator.uniform(0.2, 1.0, 400)
    poisson = overdispersion(generator.poisson(50 * area), area).value
    clustered = overdispersion(generator.poisson(50 * area * generator.gamma(0.5, 2, 400)), area).value
    assert poisson == pytest.approx(1.0, abs=0.2)
    assert clustered > 5


def test_overdispersion_by_hand():
    # D = 10; ((4 - 10)^2 + (16 - 10)^2) / 10 / (2 - 1)
    assert overdispersion(np.array([4, 16]), np.array([1.0, 1.0])).value == pytest.approx(7.2)
    assert overdispersion(np.array([0, 0]), np.array([1.0, 1.0])).value == 1
    assert overdispersion(np.array([4]), np.array([1.0])).reason == "FEW_BLOCKS"


def test_log_change_is_the_log_ratio_and_needs_both_visits():
    change = log_density_change((100, 2.0), (50, 2.0))
    assert change.value == pytest.approx(math.log(50.5 / 100.5))
    assert log_density_change((100, 2.0), (0, 2.0)).value == pytest.approx(math.log(0.5 / 100.5))
    assert log_density_change((100, 0.1), (50, 2.0)).reason == "VISIT_NOT_EVALUABLE"
    assert log_density_change((100, 2.0), (50, 0.0)).value is None
