"""Vessel metrics and the hotspot."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from histoquant.metrics.hotspot import HotspotRules, eligible_fields, find_hotspot
from histoquant.metrics.tissue import Tissue
from histoquant.metrics.vessels import roundness, vessel_metrics

TISSUE = Tissue(np.ones((250, 250), bool), 16.0, 16.0)  # 4 x 4 mm


def vessels(number: int, vessel: bool = True) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vessel": np.full(number, vessel),
            "endothelial_area_um2": np.full(number, 100.0),
            "lumen_area_um2": np.full(number, 50.0),
            "equivalent_diameter_um": np.arange(number, dtype=float),
        }
    )


def test_vessel_metrics_leave_single_cells_out():
    found = vessel_metrics(pd.concat([vessels(21), vessels(40, vessel=False)]), 2.0)
    value = {name: m.value for name, m in found.items()}
    assert value == {
        "vessels": 21,
        "vessels_per_mm2": pytest.approx(10.5),
        "endothelial_area_percent": pytest.approx(100 * 2100 / 2e6),
        "lumen_area_percent": pytest.approx(100 * 1050 / 2e6),
        "median_diameter_um": 10,
        "diameter_p10_um": 2,
        "diameter_p90_um": 18,
        "capillary_percent": pytest.approx(100 * 10 / 21),
    }


def test_no_vessels_is_zero_and_no_tissue_is_empty():
    none = vessel_metrics(vessels(0), 2.0)
    assert none["vessels_per_mm2"].value == none["lumen_area_percent"].value == 0
    assert none["median_diameter_um"].reason == "NO_VESSELS"
    assert all(m.value is None for m in vessel_metrics(vessels(0), 0.0).values())


def test_roundness():
    assert roundness(math.pi, 2 * math.pi).value == pytest.approx(1)
    assert roundness(1, 0).reason == "NO_PERIMETER"


def test_the_disc_is_0_97_mm_across():
    assert 2 * HotspotRules().radius_um == pytest.approx(970.7, abs=0.1)


def test_fields_need_four_fifths_of_tissue():
    centres, area = eligible_fields(TISSUE, HotspotRules())
    assert (area >= 0.8 * 0.74).all()
    assert area.max() == pytest.approx(0.74, rel=0.01)
    assert len(centres) < 16 * 16
    nothing = Tissue(np.zeros((10, 10), bool), 16.0, 16.0)
    assert len(eligible_fields(nothing, HotspotRules())[0]) == 0


def test_a_planted_hotspot_is_found_and_significant():
    generator = np.random.default_rng(0)
    x, y = generator.uniform(0, 4000, (2, 800))
    hot = generator.normal([2000, 2000], 150, (300, 2))
    rules = HotspotRules(fields=100)
    found = find_hotspot(np.append(x, hot[:, 0]), np.append(y, hot[:, 1]), TISSUE, 1, rules)
    assert math.dist((found.x_um, found.y_um), (2000, 2000)) < 500
    assert found.h1_per_mm2 == pytest.approx(50 + 300 / 0.74, rel=0.1)
    assert found.p_value == pytest.approx(0.005)
    even = find_hotspot(x, y, TISSUE, 1, rules)
    assert even.p_value > 0.05
    assert even.h3_per_mm2 <= even.h1_per_mm2


def test_hotspot_is_seeded_and_independent_of_row_order():
    generator = np.random.default_rng(2)
    x, y = generator.uniform(0, 4000, (2, 500))
    order = generator.permutation(500)
    assert find_hotspot(x, y, TISSUE, 9) == find_hotspot(x[order], y[order], TISSUE, 9)
    assert find_hotspot(x, y, TISSUE, 9) != find_hotspot(x, y, TISSUE, 10)


def test_small_tissue_has_no_hotspot():
    small = Tissue(np.ones((60, 60), bool), 16.0, 16.0)
    found = find_hotspot(np.array([5.0]), np.array([5.0]), small, 0)
    assert (found.h1_per_mm2, found.reason) == (None, "FEW_FIELDS")
    biopsy = Tissue(np.ones((40, 60), bool), 16.0, 16.0)
    found = find_hotspot(np.array([5.0]), np.array([5.0]), biopsy, 0)
    assert (found.h1_per_mm2, found.eligible, found.reason) == (None, 0, "NO_FIELD")
    smaller = find_hotspot(np.array([5.0]), np.array([5.0]), biopsy, 0, HotspotRules(0.2376, fields=3))
    assert smaller.h1_per_mm2 is not None
    assert smaller.eligible >= 3
    none = Tissue(np.zeros((60, 60), bool), 16.0, 16.0)
    assert find_hotspot(np.zeros(0), np.zeros(0), none, 0).reason == "NO_TISSUE"
    assert find_hotspot(np.zeros(0), np.zeros(0), TISSUE, 0).h1_per_mm2 == 0


def test_more_fields_raise_the_maximum_of_even_tissue():
    """Why the number of fields is fixed: the science notes' 114 with 5 and 135 with 320 fields."""
    generator = np.random.default_rng(4)
    few, many = [], []
    for trial in range(12):
        x, y = generator.uniform(0, 4000, (2, 1600))
        few.append(find_hotspot(x, y, TISSUE, trial, HotspotRules(fields=5, relabellings=1)).h1_per_mm2)
        many.append(find_hotspot(x, y, TISSUE, trial, HotspotRules(fields=150, relabellings=1)).h1_per_mm2)
    assert np.mean(many) > np.mean(few) > 100


def test_a_hotspot_of_nuclei_is_no_hotspot_of_labels():
    """Where nuclei crowd, positives crowd by chance; only the null of dealt labels knows that."""
    rng = np.random.default_rng(4)
    tissue = Tissue(np.ones((500, 500), bool), 8.0, 8.0)
    crowd = rng.normal(2000, 250, (3000, 2))
    nuclei = np.concatenate([rng.uniform(0, 4000, (3000, 2)), crowd])
    positive = rng.random(len(nuclei)) < 0.1
    rules = HotspotRules(disc_mm2=0.2, fields=200)
    xy = nuclei[positive]
    dropped = find_hotspot(xy[:, 0], xy[:, 1], tissue, 1, rules)
    dealt = find_hotspot(xy[:, 0], xy[:, 1], tissue, 1, rules, among=nuclei)
    assert dropped.h1_per_mm2 == dealt.h1_per_mm2
    assert dropped.p_value == pytest.approx(0.005)
    assert dealt.p_value > 0.05
    gathered = np.arange(len(nuclei)) >= len(nuclei) - int(positive.sum())
    again = nuclei[gathered]
    assert find_hotspot(again[:, 0], again[:, 1], tissue, 1, rules, among=nuclei).p_value <= 0.01
