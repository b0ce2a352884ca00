"""Chalkley count on layouts whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from histoquant.metrics.chalkley import DISC_MM2, POINTS, chalkley_count, graticule_um, most_hits
from histoquant.metrics.hotspot import HotspotRules
from histoquant.metrics.tissue import Tissue

TISSUE = Tissue(np.ones((250, 250), bool), 16.0, 16.0)
RULES = HotspotRules(DISC_MM2)


def square(x: float, y: float, half: float) -> np.ndarray:
    return np.array([[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half]])


def test_the_graticule_fills_its_disc_evenly():
    points = graticule_um()
    radius = 1000 * math.sqrt(DISC_MM2 / math.pi)
    distance = np.hypot(*points.T)
    assert len(points) == POINTS == 25
    assert distance.max() < radius
    # equal areas: half of the points lie in the inner half of the disc's area
    assert abs(np.count_nonzero(distance < radius / math.sqrt(2)) - 12.5) <= 1
    assert np.hypot(*points.mean(axis=0)) < 0.1 * radius


def test_hits_run_from_none_to_all():
    centre = (1000.0, 1000.0)
    assert most_hits([], centre, DISC_MM2) == 0
    assert most_hits([square(*centre, 300)], centre, DISC_MM2) == 25
    assert most_hits([square(3000, 3000, 300)], centre, DISC_MM2) == 0


def test_a_point_is_turned_onto_a_small_vessel():
    """One vessel off the axes: some rotation brings a point of the same radius onto it."""
    points = graticule_um()
    radius = float(np.hypot(*points[20]))
    for angle in np.linspace(0, 6, 9):
        vessel = square(500 + radius * math.cos(angle), 500 + radius * math.sin(angle), 12)
        assert most_hits([vessel], (500.0, 500.0), DISC_MM2) >= 1


def test_the_count_is_the_mean_of_three_hotspots_and_follows_the_area():
    generator = np.random.default_rng(0)
    xy = generator.uniform(0, 4000, (1200, 2))
    small, large = ([square(x, y, half) for x, y in xy] for half in (4, 10))
    few, many = (chalkley_count(each, xy, TISSUE, 3, RULES).value for each in (small, large))
    assert 0 < few < many <= 25
    assert 3 * few == pytest.approx(round(3 * few))
    order = generator.permutation(len(xy))
    assert chalkley_count([large[k] for k in order], xy[order], TISSUE, 3, RULES).value == many


def test_little_tissue_gives_a_reason():
    def count(side: int) -> str | None:
        tissue = Tissue(np.ones((side, side), bool), 16.0, 16.0)
        return chalkley_count([], np.zeros((0, 2)), tissue, 1, RULES).reason

    assert [count(20), count(40)] == ["NO_FIELD", "FEW_FIELDS"]
    none = Tissue(np.zeros((9, 9), bool), 16.0, 16.0)
    assert chalkley_count([], np.zeros((0, 2)), none, 1, RULES).reason == "NO_TISSUE"
