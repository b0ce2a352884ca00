"""Spatial readouts against layouts whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from histoquant.metrics import nearest
from histoquant.metrics.bands import _distance_um, distance_bands
from histoquant.metrics.nearest import _sort_even, _sorted_distances, nearest_neighbours
from histoquant.metrics.point_grid import grid_of, nearest_others
from histoquant.metrics.tissue import Tissue


def _nuclei(seed: int, count: int = 4000, side_um: float = 1000.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, side_um, (count, 2))


@pytest.mark.parametrize("share", [0.02, 0.2, 0.7])
def test_random_labels_have_a_ratio_of_one(share: float) -> None:
    ratios = []
    for seed in range(8):
        nuclei = _nuclei(seed)
        # crowded on one side, so that even tissue is not what is tested
        nuclei[:, 0] = 1000.0 * (nuclei[:, 0] / 1000.0) ** 2
        positive = np.random.default_rng(100 + seed).random(len(nuclei)) < share
        ratios.append(nearest_neighbours(nuclei, positive, seed).ratio.value)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.06)


def test_expectation_is_that_of_simulated_relabelling() -> None:
    nuclei = _nuclei(3, 600)
    positive = np.zeros(600, bool)
    positive[:60] = True
    found = nearest_neighbours(nuclei, positive, 1)
    generator = np.random.default_rng(5)
    means = []
    for _ in range(300):
        chosen = nuclei[generator.permutation(600)[:60]]
        apart = np.linalg.norm(chosen[:, None] - chosen[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        means.append(apart.min(axis=1).mean())
    chosen = nuclei[:60]
    apart = np.linalg.norm(chosen[:, None] - chosen[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert found.median_um.value == pytest.approx(np.median(apart.min(axis=1)))
    assert found.ratio.value == pytest.approx(apart.min(axis=1).mean() / np.mean(means), rel=0.05)


def test_gathered_cells_have_a_small_ratio_and_spread_ones_a_large() -> None:
    nuclei = _nuclei(1)
    near = np.linalg.norm(nuclei - 500.0, axis=1) < 80
    assert nearest_neighbours(nuclei, near, 1).ratio.value < 0.4
    grid = np.stack(np.meshgrid(np.arange(50, 1000, 100.0), np.arange(50, 1000, 100.0)), -1).reshape(-1, 2)
    both = np.concatenate([grid, nuclei])
    on_grid = np.arange(len(both)) < len(grid)
    assert nearest_neighbours(both, on_grid, 1).ratio.value > 1.5


def test_too_few_or_all_positive_have_a_reason() -> None:
    nuclei = _nuclei(1, 50)
    few = nearest_neighbours(nuclei, np.arange(50) < 5, 1)
    assert (few.median_um.value, few.ratio.reason) == (None, "FEW_CELLS")
    every = nearest_neighbours(nuclei, np.ones(50, bool), 1)
    assert every.median_um.value is not None
    assert every.ratio.reason == "ALL_POSITIVE"


def _strip() -> Tissue:
    mask = np.zeros((100, 130), bool)
    mask[:, 10:110] = True
    return Tissue(mask, 8.0, 8.0)


def test_bands_hold_what_lies_in_them() -> None:
    tissue = _strip()
    # left edge of the tissue at x = 80 um; the frame above and below is no edge
    x = np.array([90.0, 150.0, 300.0, 480.0])
    y = np.array([4.0, 400.0, 400.0, 400.0])
    table = distance_bands(x, y, tissue, ~tissue.mask, "tissue_edge")
    assert table["counted"].tolist() == [2, 1, 1, 0]
    assert table["tissue_mm2"].sum() == pytest.approx(tissue.area_mm2)
    assert table["tissue_mm2"].tolist() == pytest.approx(
        [2 * 12 * 100 * 64e-6, 2 * 19 * 100 * 64e-6, 2 * 19 * 100 * 64e-6, 0.0]
    )
    assert np.isnan(table["per_mm2"].iloc[3])
    assert np.isnan(table["to_um"].iloc[3])
    assert (table["per_mm2_low"][:3] <= table["per_mm2"][:3]).all()


def test_no_reference_no_rows() -> None:
    tissue = Tissue(np.ones((20, 20), bool), 8.0, 8.0)
    assert distance_bands(np.zeros(0), np.zeros(0), tissue, ~tissue.mask, "tissue_edge").empty


@pytest.mark.parametrize("clumped", [0, 900])
def test_distances_to_the_nearest_points_are_those_of_a_tree(
    clumped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "_AT_ONCE", 1000)  # three points at a time
    rng = np.random.default_rng(5)
    points = rng.uniform(0, 3000, (1000, 2))
    points[:clumped] = rng.normal(200, 5, (clumped, 2))
    found = np.concatenate([some.copy() for some in _sorted_distances(points, points[::100], 300)])
    assert found == pytest.approx(cKDTree(points).query(points[::100], k=300)[0], abs=1e-9)
    assert (np.diff(found, axis=1) >= 0).all()


@pytest.mark.parametrize("number", [0, 1, 2, 50, 3000])
def test_numbers_are_sorted_however_they_lie(number: int) -> None:
    generator = np.random.default_rng(number)
    for values in (
        generator.uniform(0, 7.0, number),
        np.full(number, 7.0),
        7.0 * generator.random(number) ** 8,
    ):
        out = np.empty(number)
        _sort_even(values, 7.0, out)
        assert np.array_equal(out, np.sort(values))


@pytest.mark.parametrize("shape", [(1, 1), (31, 5), (33, 70), (64, 64)])
def test_distances_by_rows_are_scipys_to_the_last_bit(shape: tuple[int, int]) -> None:
    reference = np.random.default_rng(shape[0]).random(shape) < 0.02
    reference[-1, 0] = True
    whole = ndimage.distance_transform_edt(~reference, sampling=(8.3, 7.9))
    assert np.array_equal(_distance_um(reference, (8.3, 7.9)), whole)


@pytest.mark.parametrize("count", [2, 3, 50, 3000])
@pytest.mark.parametrize("spread", [1e-3, 30.0, 1e5])
def test_nearest_others_are_those_of_a_tree(count: int, spread: float) -> None:
    points = np.random.default_rng(count).normal(0, spread, (count, 2))
    points[: count // 2, 0] = points[0, 0]  # in a column
    grid, order = grid_of(*np.ascontiguousarray(points.T), 20.0, 1024)
    expected = cKDTree(points).query(points, k=2)[0][:, 1]
    assert nearest_others(grid).tolist() == expected[order].tolist()
