"""Sums of cells against what brute force says of every pixel."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects import Planes
from histoquant.objects.cell_desk import MOST
from histoquant.objects.cell_directions import BLUE_SHARE, PERCENTS, percentiles
from histoquant.objects.cell_kinds import CYTOPLASM, NOWHERE, NUCLEUS, RING, SHELL_BITS
from histoquant.objects.cell_lanes import BIN_MOD, BINS, FIRST_MOD, LANES
from histoquant.objects.cell_sums import SHARES, CellSums, sum_cells
from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.surroundings import Surroundings

STAINED_MOD = 150


def _cell_by_force(
    planes: Planes, kinds: np.ndarray, nucleus: np.ndarray, cell: np.ndarray
) -> dict[str, np.ndarray]:
    y, x = np.nonzero(cell)
    own_y, own_x = np.nonzero(nucleus)
    n = len(own_y)
    down, right = n * y - own_y.sum(), n * x - own_x.sum()
    sector = 4 * (right >= 0) + 2 * (down >= 0) + (abs(right) >= abs(down))
    place, shell = kinds[y, x] >> SHELL_BITS, kinds[y, x] & ((1 << SHELL_BITS) - 1)
    dab, blue = planes.dab[y, x].astype(np.int64), planes.hematoxylin[y, x].astype(np.int64)
    part = np.stack([place == NUCLEUS, place == RING, (place == RING) | (place == CYTOPLASM)])
    there = (shell == np.arange(3)[:, None, None]) & (sector == np.arange(8)[:, None])
    bins = np.clip((dab - FIRST_MOD) // BIN_MOD, 0, BINS - 1)
    quantiles = np.full((3, len(SHARES)), np.nan)
    for k in range(3):
        held = np.sort(bins[part[k]])
        if len(held):
            reached = held[[int(np.ceil(share * len(held))) - 1 for share in SHARES]]
            quantiles[k] = FIRST_MOD + BIN_MOD * (reached + 0.5)
    return {
        "hematoxylin": blue[part[0]].sum(),
        "pixels": part.sum(axis=1),
        "dab": (part * dab).sum(axis=1),
        "quantiles": quantiles,
        "around": _around(there.sum(axis=2), (there * dab).sum(axis=2), (there * blue).sum(axis=2)),
        "directions": there.any(axis=(0, 2)).sum(),
        "stained_pixels": ((place != NOWHERE) & (dab >= STAINED_MOD)).sum(),
    }


def _around(pixels: np.ndarray, dab: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """DAB of each direction, from sums of its shells."""
    leak, brown = BLUE_SHARE * np.maximum(blue, 0), np.maximum(dab, 0)
    trust = np.where(leak > brown, brown / np.where(leak > 0, leak, 1), 1)
    return np.where(pixels > 0, dab / np.maximum(pixels, 1) / 1000 * trust, -np.inf).max(axis=0)


def _agrees(owner: np.ndarray, nuclei: np.ndarray, planes: Planes, kinds: np.ndarray) -> CellSums:
    count = int(owner.max())
    cells, own = LabelRuns.of_all(owner, count), LabelRuns.of_all(nuclei, count)
    around = Surroundings(kinds, cells, np.full(count, -1))
    sums = sum_cells(planes, own, around, STAINED_MOD)
    for i in range(count):
        for name, wanted in _cell_by_force(planes, kinds, nuclei == i + 1, owner == i + 1).items():
            np.testing.assert_array_equal(getattr(sums, name)[i], wanted, err_msg=f"{name} of cell {i}")
    return sums


@pytest.mark.parametrize(
    ("shape", "seed"),
    [((1, 1), 1), ((1, 9), 2), ((70, 1), 3), ((5, 6), 4), ((1, 100), 5), ((90, 140), 6), ((61, 33), 7)],
)
def test_sums_are_those_of_brute_force(shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 9, (shape[0] // 9 + 1, shape[1] // 23 + 1))
    owner = np.repeat(np.repeat(coarse, 9, axis=0), 23, axis=1)[: shape[0], : shape[1]]
    # ragged, and every cell has a nucleus
    owner = np.where(rng.random(shape) < 0.1, 0, owner).astype(np.int32)
    owner[-1, -1] = max(owner[-1, -1], 1)
    owner = np.unique(owner, return_inverse=True)[1].reshape(shape).astype(np.int32) + int(owner.min() > 0)
    nuclei = np.where(rng.random(shape) < 0.3, owner, 0)
    for label in range(1, owner.max() + 1):
        y, x = np.argwhere(owner == label)[0]
        nuclei[y, x] = label
    kinds = rng.integers(0, 16, shape).astype(np.uint8)
    stains = rng.integers(-1200, 3500, (2, *shape)).astype(np.int16)
    # and as far as 16 bits go
    stains[rng.random(stains.shape) < 0.1] = rng.choice([-32768, 32767])
    _agrees(owner, nuclei, Planes(stains[0], stains[1], None, np.ones(shape, bool), 0.5), kinds)


@pytest.mark.parametrize("value", [-32768, 32767])
def test_a_cell_of_more_pixels_than_are_summed_at_once_loses_none(value: int) -> None:
    shape = (60, 3 * LANES + 5)
    assert shape[0] * shape[1] > 3 * MOST
    plane = np.full(shape, value, np.int16)
    sums = _agrees(
        np.ones(shape, np.int32),
        np.ones(shape, np.int32),
        Planes(plane, plane, None, np.ones(shape, bool), 0.5),
        np.full(shape, NUCLEUS, np.uint8),
    )
    assert sums.dab[0, NUCLEUS] == value * shape[0] * shape[1]


def test_a_nucleus_without_pixels_leaves_no_direction_untold() -> None:
    shape = (4, 40)
    plane, owner = np.full(shape, 100, np.int16), np.ones(shape, np.int32)
    around = Surroundings(
        np.full(shape, RING << SHELL_BITS | 1, np.uint8), LabelRuns.of_all(owner), np.zeros(1)
    )
    none = LabelRuns.of_all(np.zeros(shape, np.int32), 1)
    sums = sum_cells(Planes(plane, plane, None, np.ones(shape, bool), 0.5), none, around, STAINED_MOD)
    assert sums.directions[0] == 1
    assert sums.around[0].tolist() == [-np.inf] * 7 + [0.1]
    assert np.isnan(sums.quantiles[0, NUCLEUS]).all()


def test_percentiles_are_those_of_the_directions_that_are_known() -> None:
    rng = np.random.default_rng(5)
    known = np.repeat(np.arange(9), 5).astype(np.int8)
    values = np.where(
        rng.permuted(np.tile(np.arange(8), (45, 1)), axis=1) < known[:, None],
        rng.normal(size=(45, 8)),
        -np.inf,
    )
    found = percentiles(np.sort(values, axis=1), known)
    for i, own in enumerate(values):
        wanted = np.percentile(own[own > -np.inf], PERCENTS) if known[i] else np.full(3, np.nan)
        np.testing.assert_allclose(found[:, i], wanted, rtol=1e-12)
