"""Stain vectors from histograms: recovered when the slide can tell, the prior when it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.errors import UsageError
from histoquant.stains import (
    H_DAB,
    H_E,
    StainHistogram,
    StainVectors,
    angle_deg,
    estimate_vectors,
)
from histoquant.stains.estimate import PURITY_BESIDE_NUCLEI
from histoquant.stains.histogram import BINS, LEVEL_OD, _quad_table

WHITE = 240.0


def tilted(towards: tuple[float, float, float], degrees: float, row: int) -> np.ndarray:
    """A row of the prior turned towards another direction."""
    start = H_DAB.matrix[row]
    side = np.asarray(towards) / np.linalg.norm(towards)
    side = side - start * (side @ start)
    side /= np.linalg.norm(side)
    return np.cos(np.radians(degrees)) * start + np.sin(np.radians(degrees)) * side


def slide(
    amounts: list[tuple[float, float, float]],
    vectors: np.ndarray,
    seed: int = 0,
    size: int = 256,
    noise: float = 1.5,
) -> np.ndarray:
    """Patches of 4 x 4 px; ``amounts`` lists (share, hematoxylin OD, DAB OD), varied by a third."""
    rng = np.random.default_rng(seed)
    patches = size // 4
    kind = rng.choice(len(amounts), size=(patches, patches), p=[a[0] for a in amounts])
    stains = np.array([a[1:] for a in amounts])[kind] * rng.uniform(0.7, 1.3, (patches, patches, 2))
    od = np.repeat(np.repeat(stains @ vectors[:2], 4, axis=0), 4, axis=1)
    light = WHITE * 10.0**-od + rng.normal(0, noise, (size, size, 3))
    return np.rint(light).clip(0, 255).astype(np.uint8)


def histogram(*blocks: np.ndarray) -> StainHistogram:
    out = StainHistogram.empty(WHITE)
    for block in blocks:
        out = out.add(block)
    return out


POSITIVE = [(0.70, 0.02, 0.02), (0.18, 0.8, 0.0), (0.08, 0.05, 0.7), (0.04, 0.5, 0.5)]
NEGATIVE = [(0.75, 0.03, 0.02), (0.25, 0.8, 0.0)]


def test_merging_is_adding_and_order_does_not_matter() -> None:
    blocks = [slide(POSITIVE, H_DAB.matrix, seed) for seed in range(4)]
    whole = histogram(*blocks)
    assert histogram(*reversed(blocks)) == whole
    assert histogram(*blocks[:1]).merge(histogram(*blocks[1:])) == whole
    assert whole.total == 4 * 128 * 128
    assert whole.counts.dtype == np.int64


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 15))
def test_a_block_cut_in_two_counts_the_same(seed: int, cut: int) -> None:
    block = slide(POSITIVE, H_DAB.matrix, seed, size=32)
    assert histogram(block[: 2 * cut], block[2 * cut :]) == histogram(block)


def test_a_mask_leaves_pixels_out() -> None:
    block = slide(POSITIVE, H_DAB.matrix)
    mask = np.zeros((256, 256), bool)
    mask[:100, :64] = True
    assert StainHistogram.empty(WHITE).add(block, mask) == histogram(block[:100, :64])


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 9), (40, 31)])
def test_a_histogram_holds_each_whole_mean_once(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    rgb = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    mask = rng.random(shape) < 0.9
    counts, total = np.zeros_like(StainHistogram.empty(WHITE).counts), 0
    table = _quad_table((WHITE,) * 3, (0.0,) * 3, 1.0)
    for y in range(0, shape[0] - 1, 2):
        for x in range(0, shape[1] - 1, 2):
            if mask[y : y + 2, x : x + 2].all():
                total += 1
                quad = rgb[y : y + 2, x : x + 2].sum(axis=(0, 1), dtype=int)
                density = [int(table[c, quad[c]]) for c in range(3)]
                level = sum(sum(density) >= round(1e4 * od) for od in LEVEL_OD) - 1
                if level >= 0:
                    counts[level, *(min(BINS * od // sum(density), BINS - 1) for od in density[:2])] += 1
    found = StainHistogram.empty(WHITE).add(rgb, mask)
    assert found.total == total
    np.testing.assert_array_equal(found.counts, counts)


def test_histograms_of_different_white_points_do_not_mix() -> None:
    with pytest.raises(UsageError, match="white point"):
        StainHistogram.empty(240.0).merge(StainHistogram.empty(241.0))
    with pytest.raises(UsageError, match="mask"):
        StainHistogram.empty(240.0).add(np.zeros((8, 8, 3), np.uint8), np.ones((4, 4), bool))


@pytest.mark.parametrize(
    ("hematoxylin", "dab"),
    [
        (H_DAB.matrix[0], H_DAB.matrix[1]),
        (tilted((1, 0, 0), 7, 0), H_DAB.matrix[1]),
        (H_DAB.matrix[0], tilted((0, 1, 0), 7, 1)),
        (tilted((1, 0, 0), 6, 0), tilted((0, 1, 0), 6, 1)),
        (tilted((0, 0, 1), 5, 0), tilted((0, 0, 1), 6, 1)),
    ],
)
def test_shifted_vectors_are_recovered(hematoxylin: np.ndarray, dab: np.ndarray) -> None:
    found = estimate_vectors(histogram(slide(POSITIVE, np.stack([hematoxylin, dab]))), H_DAB)
    assert found.source == "estimated", found.reason
    assert found.reason == ""
    assert angle_deg(found.vectors.matrix[0], hematoxylin) < 2.0
    assert angle_deg(found.vectors.matrix[1], dab) < 3.0


def test_a_negative_slide_keeps_the_dab_prior_and_says_why() -> None:
    found = estimate_vectors(histogram(slide(NEGATIVE, H_DAB.matrix)), H_DAB)
    assert found.source == "hematoxylin estimated, DAB prior"
    assert "too few DAB pixels: 0.00 % < 0.5 %" in found.reason
    assert angle_deg(found.vectors.matrix[1], H_DAB.matrix[1]) < 1e-6
    assert angle_deg(found.vectors.matrix[0], H_DAB.matrix[0]) < 2.0


def test_an_unstained_slide_is_the_prior() -> None:
    found = estimate_vectors(histogram(slide([(1.0, 0.02, 0.01)], H_DAB.matrix)), H_DAB)
    assert found.source == "prior"
    assert found.vectors == H_DAB
    assert "too few hematoxylin pixels" in found.reason


def test_nothing_at_all_is_the_prior() -> None:
    assert estimate_vectors(StainHistogram.empty(WHITE), H_DAB).source == "prior"


def test_saturated_dab_counts_as_dab() -> None:
    # |OD| of 2.2: QuPath's estimate drops everything above 1
    dark = [(0.74, 0.02, 0.02), (0.2, 0.8, 0.0), (0.03, 0.0, 2.2), (0.03, 0.05, 0.5)]
    found = estimate_vectors(histogram(slide(dark, H_DAB.matrix)), H_DAB)
    assert found.diagnostics["dab_percent"] == pytest.approx(6.0, abs=0.8)
    assert found.source == "estimated"
    assert angle_deg(found.vectors.matrix[1], H_DAB.matrix[1]) < 3.0


def test_haematoxylin_survives_a_slide_full_of_dab() -> None:
    true = np.stack([tilted((1, 0, 0), 6, 0), H_DAB.matrix[1]])
    heavy = [(0.15, 0.02, 0.02), (0.03, 0.7, 0.0), (0.6, 0.05, 0.8), (0.22, 0.5, 0.6)]
    found = estimate_vectors(histogram(slide(heavy, true)), H_DAB)
    assert found.source == "estimated"
    assert angle_deg(found.vectors.matrix[0], true[0]) < 2.0


@pytest.mark.parametrize("od", [(1.0, 1.0, 1.0), (0.52, 0.58, 0.63), (1.1, 0.62, 0.16), (1.0, 0.3, 0.85)])
def test_pigment_and_ink_capture_no_vector(od: tuple[float, float, float]) -> None:
    clean = slide(POSITIVE, H_DAB.matrix)
    dirty = clean.copy()
    dirty[:40] = np.rint(WHITE * 10.0 ** -(0.9 * np.asarray(od)))
    found = estimate_vectors(histogram(dirty), H_DAB)
    want = estimate_vectors(histogram(clean[40:]), H_DAB)
    for row in range(2):
        assert angle_deg(found.vectors.matrix[row], want.vectors.matrix[row]) < 0.5


def test_dab_that_never_leaves_the_nucleus_says_nothing_about_dab() -> None:
    nuclear = [(0.7, 0.02, 0.02), (0.2, 0.8, 0.0), (0.1, 0.6, 0.6)]
    found = estimate_vectors(histogram(slide(nuclear, H_DAB.matrix)), H_DAB)
    assert found.source == "hematoxylin estimated, DAB prior"
    assert "mixed with hematoxylin" in found.reason


def test_walls_tell_the_direction_of_dab_though_most_of_their_pixels_are_mixed() -> None:
    walls = [(0.68, 0.02, 0.02), (0.16, 0.8, 0.0), (0.12, 0.4, 0.5), (0.04, 0.0, 0.6)]
    true = np.stack([H_DAB.matrix[0], tilted((1, 0, 0), 4, 1)])
    seen = histogram(slide(walls, true))
    doubted = estimate_vectors(seen, H_DAB)
    assert doubted.source == "hematoxylin estimated, DAB prior"
    found = estimate_vectors(seen, H_DAB, PURITY_BESIDE_NUCLEI)
    assert found.source == "estimated", found.reason
    assert angle_deg(found.vectors.matrix[1], true[1]) < 1.0


def test_brown_that_never_leaves_the_nucleus_is_doubted_for_walls_too() -> None:
    nuclear = [(0.7, 0.02, 0.02), (0.2, 0.8, 0.0), (0.1, 0.7, 0.5)]
    found = estimate_vectors(histogram(slide(nuclear, H_DAB.matrix)), H_DAB, PURITY_BESIDE_NUCLEI)
    assert "DAB prior" in found.source


def test_another_dye_is_refused() -> None:
    red = np.stack([H_DAB.matrix[0], tilted((0, 1, 0), 25, 1)])
    found = estimate_vectors(histogram(slide(POSITIVE, red)), H_DAB)
    assert "prior" in found.source
    assert angle_deg(found.vectors.matrix[1], H_DAB.matrix[1]) < 1e-6


def test_tint_of_the_tissue_is_taken_off() -> None:
    tint = 0.06 * np.array([1.0, 1.1, 0.8])
    blocks = slide(POSITIVE, H_DAB.matrix).astype(float) * 10.0**-tint
    rgb = np.rint(blocks).clip(0, 255).astype(np.uint8)
    red, green, blue = tint.tolist()
    with_tint = estimate_vectors(StainHistogram.empty(WHITE, (red, green, blue)).add(rgb), H_DAB)
    without = estimate_vectors(StainHistogram.empty(WHITE).add(rgb), H_DAB)
    errors = [angle_deg(found.vectors.matrix[1], H_DAB.matrix[1]) for found in (with_tint, without)]
    assert errors[0] < 2.0
    assert errors[0] < errors[1]


def test_haematoxylin_eosin() -> None:
    mix = [(0.3, 0.02, 0.02), (0.3, 0.0, 0.35), (0.25, 0.7, 0.05), (0.15, 0.0, 0.6)]
    found = estimate_vectors(histogram(slide(mix, H_E.matrix)), H_E)
    assert found.source == "estimated"
    assert found.vectors.names == ("hematoxylin", "eosin", "residual")
    assert angle_deg(found.vectors.matrix[1], H_E.matrix[1]) < 3.0


def test_the_estimate_is_usable_as_it_is() -> None:
    found = estimate_vectors(histogram(slide(POSITIVE, H_DAB.matrix)), H_DAB)
    assert isinstance(found.vectors, StainVectors)
    assert found.vectors.angle_deg == pytest.approx(found.diagnostics["angle_deg"], abs=1e-6)
    assert 0.0 <= found.diagnostics["residual_share"] < 0.1
