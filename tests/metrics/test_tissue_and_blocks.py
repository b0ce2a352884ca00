"""Areas of the tissue map, blocks on the fixed grid, and the block bootstrap."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from histoquant.metrics.blocks import bootstrap_interval, count_blocks, resampling_seed
from histoquant.metrics.tissue import Tissue


def square(side_um: float, um: float = 8.0) -> Tissue:
    return Tissue(np.ones((round(side_um / um),) * 2, bool), um, um)


def test_area_of_512_pixels_at_half_a_micrometre():
    assert Tissue(np.ones((512, 512), bool), 0.5, 0.5).area_mm2 == pytest.approx(0.065536)
    assert Tissue(np.ones((512, 512), bool), 1.0, 1.0).area_mm2 == pytest.approx(4 * 0.065536)


def test_tissue_is_taken_from_the_quantifiable_part_of_a_map():
    mask = np.zeros((4, 5), bool)
    mask[1, 2] = True
    tissue = Tissue.of(SimpleNamespace(quantifiable=mask, mpp_xy=(8.0, 10.0)))
    assert tissue.area_mm2 == pytest.approx(80e-6)
    x, y = np.array([16.0, 23.9, 24.0, -1.0, 400.0]), np.array([10.0, 19.9, 15.0, 15.0, 15.0])
    assert tissue.contains(x, y).tolist() == [True, True, False, False, False]


def test_distant_pieces_are_fragments_and_near_ones_are_not():
    mask = np.zeros((100, 100), bool)
    mask[:, :30] = mask[:, 35:50] = mask[:, 80:] = True
    labels = Tissue(mask, 8.0, 8.0).fragments()
    assert len(np.unique(labels[mask])) == 2
    assert labels[0, 0] == labels[0, 40] != labels[0, 90]
    assert (labels[~mask] == 0).all()


def test_blocks_add_up_to_the_section():
    tissue = square(3200)
    generator = np.random.default_rng(0)
    x, y = generator.uniform(0, 3200, (2, 5000))
    blocks = count_blocks(x, y, tissue)
    assert len(blocks.counts) == 16
    assert blocks.counts.sum() == 5000
    assert blocks.areas_mm2.sum() == pytest.approx(tissue.area_mm2)
    assert blocks.areas_mm2[0] == pytest.approx(1.0)
    assert (blocks.without_slivers().areas_mm2 >= 0.05).all()


def test_blocks_stay_where_they_are_when_tissue_elsewhere_goes():
    generator = np.random.default_rng(1)
    x, y = generator.uniform(0, 3000, (2, 400))
    whole, part = square(3000), square(3000)
    part.mask[:125] = False
    keep = y >= 1000
    a, b = count_blocks(x, y, whole), count_blocks(x[keep], y[keep], part)
    assert b.counts.tolist() == a.counts[3:].tolist()


def test_bootstrap_covers_poisson_truth_and_is_reproducible():
    tissue = square(4000, 20.0)
    hits = 0
    for trial in range(60):
        generator = np.random.default_rng(trial)
        x, y = generator.uniform(0, 4000, (2, generator.poisson(100 * 16)))
        blocks = count_blocks(x, y, tissue)
        interval = bootstrap_interval(blocks, seed=trial, resamples=400)
        hits += interval.low <= 100 <= interval.high
        assert interval == bootstrap_interval(blocks, seed=trial, resamples=400)
    assert hits >= 48  # 16 blocks: nominal 95 %, percentile intervals run a little short


def test_few_blocks_give_no_interval():
    assert (
        bootstrap_interval(count_blocks(np.array([5.0]), np.array([5.0]), square(2000)), 0).reason
        == "FEW_BLOCKS"
    )


def test_bootstrap_never_moves_blocks_between_fragments():
    mask = np.zeros((125 * 2 + 50, 125 * 8), bool)
    mask[:125] = mask[-125:] = True
    tissue = Tissue(mask, 8.0, 8.0)
    dense = np.arange(4.0, 8000, 8)
    blocks = count_blocks(dense, np.full(len(dense), 500.0), tissue)
    assert len(np.unique(blocks.strata)) == 2
    interval = bootstrap_interval(blocks, seed=1)
    # all objects lie evenly in one fragment: within it every block is alike, so nothing varies
    assert interval.high - interval.low < 0.2 * 1000 / tissue.area_mm2


def test_seeds_differ_by_slide_and_purpose_only():
    assert resampling_seed(1, "a", "CD31") == resampling_seed(1, "a", "CD31")
    seeds = {resampling_seed(r, s, p) for r in (1, 2) for s in ("a", "b") for p in ("CD31", "CD68")}
    assert len(seeds) == 8
