"""The density map against layouts whose density is known."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.metrics.density_map import density_map
from histoquant.metrics.tissue import Tissue


def lattice(mask: np.ndarray, step_um: float) -> tuple[np.ndarray, np.ndarray, Tissue]:
    tissue = Tissue(mask, 8.0, 8.0)
    y, x = (v.ravel() for v in np.mgrid[0 : mask.shape[0] * 8 : step_um, 0 : mask.shape[1] * 8 : step_um])
    inside = tissue.contains(x + 1, y + 1)
    return x[inside] + 1, y[inside] + 1, tissue


def test_even_tissue_is_even_up_to_its_edge():
    mask = np.zeros((250, 250), bool)
    mask[40:200, 30:220] = True
    x, y, tissue = lattice(mask, 16.0)
    found = density_map(x, y, tissue)
    known = np.isfinite(found.per_mm2)
    true = 1e6 / 16**2
    assert found.per_mm2[known] == pytest.approx(np.full(known.sum(), true), rel=0.03)
    assert (known == (found.tissue_share > 0)).all()


def test_its_mean_over_tissue_is_the_density_of_the_section():
    generator = np.random.default_rng(0)
    tissue = Tissue(np.ones((300, 300), bool), 8.0, 8.0)
    x, y = generator.uniform(0, 2400, (2, 900))
    found = density_map(x, y, tissue)
    assert np.average(found.per_mm2, weights=found.tissue_share) == pytest.approx(900 / 5.76, rel=0.05)
    assert found.highest_per_mm2 == found.per_mm2.max()


def test_a_cluster_is_where_it_was_put():
    generator = np.random.default_rng(1)
    tissue = Tissue(np.ones((300, 300), bool), 8.0, 8.0)
    x, y = generator.normal([[1800.0], [600.0]], 40, (2, 200))
    found = density_map(x, y, tissue)
    row, column = np.unravel_index(np.argmax(found.per_mm2), found.per_mm2.shape)
    assert (column + 0.5) * found.um_x == pytest.approx(1800, abs=found.um_x)
    assert (row + 0.5) * found.um_y == pytest.approx(600, abs=found.um_y)


def test_the_order_of_objects_does_not_matter_and_those_outside_do_not_count():
    generator = np.random.default_rng(2)
    mask = np.zeros((200, 200), bool)
    mask[:, :100] = True
    tissue = Tissue(mask, 8.0, 8.0)
    x, y = generator.uniform(0, 1600, (2, 500))
    order = generator.permutation(500)
    whole = density_map(x, y, tissue).per_mm2
    assert np.array_equal(whole, density_map(x[order], y[order], tissue).per_mm2, equal_nan=True)
    inside = x < 800
    assert np.array_equal(whole, density_map(x[inside], y[inside], tissue).per_mm2, equal_nan=True)
    assert np.isnan(whole[:, 26:]).all()


def test_no_tissue_and_no_objects():
    nothing = Tissue(np.zeros((20, 20), bool), 8.0, 8.0)
    assert density_map(np.zeros(0), np.zeros(0), nothing).highest_per_mm2 == 0
    tissue = Tissue(np.ones((20, 20), bool), 8.0, 8.0)
    assert (density_map(np.zeros(0), np.zeros(0), tissue).per_mm2 == 0).all()
