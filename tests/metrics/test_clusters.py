"""DBSCAN, aggregates and clusters: truth from planted patterns, and independence of row order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.metrics.aggregates import AggregateRules, aggregate_fraction, diffuse_density, find_aggregates
from histoquant.metrics.clustering import dbscan
from histoquant.metrics.clusters import find_clusters
from histoquant.metrics.tissue import Tissue

TISSUE = Tissue(np.ones((250, 250), bool), 8.0, 8.0)


def disc_of_cells(x: float, y: float, radius: float, per_mm2: float, seed: int = 0) -> np.ndarray:
    """Hexagonal packing with jitter: even density, as in a follicle."""
    generator = np.random.default_rng(seed)
    step = math.sqrt(2 / math.sqrt(3) / per_mm2) * 1000
    i, j = np.meshgrid(np.arange(-80, 81), np.arange(-80, 81))
    points = np.stack([(i + 0.5 * (j % 2)) * step, j * step * math.sqrt(3) / 2], -1).reshape(-1, 2)
    points += generator.normal(0, 0.1 * step, points.shape)
    return points[np.hypot(*points.T) <= radius] + [x, y]


def scatter(per_mm2: float, seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.uniform(0, 2000, (generator.poisson(per_mm2 * 4), 2))


def brute_force_cores(points: np.ndarray, eps: float, least: int) -> list[set[int]]:
    """Clusters of core points by flood fill, straight from the definition."""
    near = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) <= eps
    core = set(np.flatnonzero(near.sum(1) >= least))
    clusters = []
    while core:
        todo, cluster = [core.pop()], set()
        while todo:
            at = todo.pop()
            cluster.add(at)
            reached = core & set(np.flatnonzero(near[at]))
            core -= reached
            todo.extend(reached)
        clusters.append(cluster)
    return clusters


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_dbscan_is_the_definition_for_any_order(seed, least):
    generator = np.random.default_rng(seed)
    points = generator.uniform(0, 120, (60, 2))
    labels = dbscan(points[:, 0], points[:, 1], 15.0, least)
    expected = brute_force_cores(points, 15.0, least)
    for cluster in expected:
        assert len({labels[i] for i in cluster}) == 1
    assert labels.max(initial=-1) + 1 == len(expected)
    order = generator.permutation(60)
    assert (dbscan(points[order, 0], points[order, 1], 15.0, least) == labels[order]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.sampled_from([2.0, 5.0, 9.0]))
def test_where_distances_are_equal_the_order_of_rows_decides_nothing(seed, least, eps):
    generator = np.random.default_rng(seed)
    points = generator.integers(0, 25, (120, 2)).astype(float)  # many lie on each other, or equally far apart
    labels = dbscan(points[:, 0], points[:, 1], eps, least)
    order = generator.permutation(120)
    assert (dbscan(points[order, 0], points[order, 1], eps, least) == labels[order]).all()
    distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    core = np.count_nonzero(distance <= eps, axis=1) >= least
    for at in np.flatnonzero(~core):
        near = distance[at, core].min(initial=np.inf)
        of_nearest = labels[core][distance[at, core] == near] if near <= eps else [-1]
        assert labels[at] in of_nearest


def test_dbscan_border_points_join_the_nearest_core():
    x = np.array([0.0, 0.5, 1, 2, 20, 21, 21.5, 22, 11.2])
    labels = dbscan(x, np.zeros(9), 9.5, 4)
    assert labels[8] == labels[4] != labels[0]
    assert dbscan(np.zeros(0), np.zeros(0), 10.0, 3).tolist() == []


def test_a_planted_follicle_is_found_with_its_area_and_density():
    cells = np.concatenate([scatter(100), disc_of_cells(1000, 1000, 150, 10_000)])
    found = find_aggregates(cells[:, 0], cells[:, 1], TISSUE)
    assert len(found.table) == 1
    row = found.table.iloc[0]
    assert row.area_um2 == pytest.approx(math.pi * 160**2, rel=0.05)  # cells + 20 um - 10 um
    assert (row.x_um, row.y_um) == (pytest.approx(1000, abs=5), pytest.approx(1000, abs=5))
    outline = np.array(row.outline_xy_um).reshape(-1, 2)
    assert np.hypot(*(outline - 1000).T) == pytest.approx(160, abs=15)
    assert diffuse_density(len(cells), found, TISSUE.area_mm2).value == pytest.approx(100, rel=0.1)
    assert aggregate_fraction(found, TISSUE.area_mm2).value == pytest.approx(math.pi * 0.16**2 / 4, rel=0.06)


def test_aggregates_do_not_depend_on_row_order():
    cells = np.concatenate(
        [scatter(150), disc_of_cells(500, 600, 120, 9000), disc_of_cells(1400, 590, 100, 12000, 3)]
    )
    first = find_aggregates(cells[:, 0], cells[:, 1], TISSUE)
    order = np.random.default_rng(5).permutation(len(cells))
    second = find_aggregates(cells[order, 0], cells[order, 1], TISSUE)
    assert len(first.table) == 2
    assert first.table.equals(second.table)
    assert (second.membership == first.membership[order]).all()


def test_small_sparse_or_merely_dense_sections_have_no_aggregates():
    few = disc_of_cells(1000, 1000, 30, 12_000)
    assert len(few) < 45
    assert find_aggregates(few[:, 0], few[:, 1], TISSUE).table.empty
    sparse = scatter(500)
    assert find_aggregates(sparse[:, 0], sparse[:, 1], TISSUE).table.empty
    tight = disc_of_cells(1000, 1000, 30, 40_000)
    assert len(tight) >= 45
    assert find_aggregates(tight[:, 0], tight[:, 1], TISSUE).table.empty  # 5,000 um2


def test_contrast_with_the_rest_of_the_section_decides():
    cells = np.concatenate([scatter(1500), disc_of_cells(1000, 1000, 150, 10_000)])
    kept = find_aggregates(cells[:, 0], cells[:, 1], TISSUE)
    assert len(kept.table) >= 1
    strict = find_aggregates(cells[:, 0], cells[:, 1], TISSUE, AggregateRules(min_contrast=20))
    assert strict.table.empty
    assert (strict.membership == -1).all()


def test_area_is_clipped_to_tissue():
    half = Tissue(TISSUE.mask.copy(), 8.0, 8.0)
    half.mask[:, 125:] = False
    cells = disc_of_cells(1000, 1000, 150, 10_000)
    whole = find_aggregates(cells[:, 0], cells[:, 1], TISSUE).area_mm2
    assert find_aggregates(cells[:, 0], cells[:, 1], half).area_mm2 == pytest.approx(whole / 2, rel=0.03)


def test_a_section_that_is_one_aggregate_has_no_diffuse_density():
    small = Tissue(np.ones((38, 38), bool), 8.0, 8.0)
    cells = disc_of_cells(152, 152, 250, 10_000)
    cells = cells[small.contains(cells[:, 0], cells[:, 1])]
    found = find_aggregates(cells[:, 0], cells[:, 1], small)
    assert len(found.table) == 1
    assert diffuse_density(len(cells), found, small.area_mm2).reason == "ALL_AGGREGATE"
    assert aggregate_fraction(found, small.area_mm2).value > 0.9


def test_macrophage_clusters():
    cells = np.concatenate(
        [scatter(200), disc_of_cells(300, 300, 60, 4000), disc_of_cells(1500, 900, 60, 4000)]
    )
    table = find_clusters(cells[:, 0], cells[:, 1])
    assert len(table) == 2
    assert table["y_um"].tolist() == pytest.approx([300, 900], abs=15)
    assert find_clusters(np.zeros(0), np.zeros(0)).empty
