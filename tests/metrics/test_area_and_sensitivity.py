"""Stained area from exact histograms, cells by area, elasticity, and the warnings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.metrics.area import DabHistogram, area_fraction, cell_area_um2, positive_by_area
from histoquant.metrics.flags import count_mode_flags, plausibility_flags, threshold_flags, tissue_flags
from histoquant.metrics.measured import Measured
from histoquant.metrics.sensitivity import elasticity


def test_area_fraction_counts_pixels_at_or_above_the_threshold():
    values = np.array([0, 100, 249, 250, 251, 900])
    histogram = DabHistogram(np.bincount(values, minlength=1000))
    assert area_fraction(histogram, 0.25).value == pytest.approx(3 / 6)
    coarse = DabHistogram(np.bincount((values + 500) // 10, minlength=200), first_mod=-500, step_mod=10)
    assert area_fraction(coarse, 0.25).value == pytest.approx(3 / 6)


def test_area_fraction_says_why_it_is_missing():
    assert area_fraction(None, 0.25).reason == "NO_STAIN_HISTOGRAM"
    assert area_fraction(DabHistogram(np.zeros(1000, np.int64)), 0.25).reason == "NO_TISSUE"


def test_a_threshold_off_the_bins_is_refused_not_rounded():
    with pytest.raises(UsageError, match="bin edge"):
        DabHistogram(np.ones(100, np.int64), step_mod=10).at_least_px(0.255)
    with pytest.raises(UsageError, match="outside"):
        DabHistogram(np.ones(100, np.int64)).at_least_px(0.25)


def test_cells_by_area():
    one = cell_area_um2(np.full(30, 150.0))
    assert positive_by_area(45_000, one).value == pytest.approx(300)
    assert cell_area_um2(np.full(5, 150.0)).reason == "NO_CELL_AREA"
    assert positive_by_area(45_000, Measured.missing("NO_CELL_AREA")).value is None


def test_elasticity_of_power_laws():
    assert elasticity(100_000, 100_000).value == 0
    # D ~ T^-2: 1.5^-2 between 0.8 T and 1.2 T
    assert elasticity(90_000, 40_000).value == pytest.approx(-2, abs=1e-4)
    assert elasticity(0, 0).value == 0
    assert elasticity(None, 3).reason == "NO_THRESHOLD_COUNTS"
    assert math.isfinite(elasticity(50, 0).value)


def test_warnings():
    assert tissue_flags(0) == ["NO_TISSUE"]
    assert tissue_flags(0.1) == ["INSUFFICIENT_TISSUE"]
    assert tissue_flags(0.25) == []
    assert threshold_flags(-1.2) == ["THRESHOLD_SENSITIVE"]
    assert threshold_flags(-0.9) == threshold_flags(None) == []
    assert plausibility_flags("CD31", 801, 10) == ["IMPLAUSIBLE_DENSITY"]
    assert plausibility_flags("CD68", 801, 60) == ["IMPLAUSIBLE_AREA"]
    assert plausibility_flags("Ki67", 1e9, None) == []
    assert count_mode_flags(100, 201) == count_mode_flags(100, 49) == ["COUNT_MODES_DISAGREE"]
    assert count_mode_flags(100, 190) == count_mode_flags(None, 4) == count_mode_flags(0, 0) == []
    assert count_mode_flags(0, 5) == ["COUNT_MODES_DISAGREE"]
