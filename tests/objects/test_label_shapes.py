from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.growing import grow
from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.label_shapes import Shapes, boxes, fill_holes, renumber

SIDES = ((-1, 0), (0, -1), (0, 1), (1, 0))


def _field(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scattered objects, darkness and levels in which some of them may grow."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < 0.2, rng.integers(1, 9, shape), 0).astype(np.int32)
    dark = rng.integers(0, 6, labels.shape).astype(np.int32)
    return labels, dark, rng.integers(0, 5, labels.shape).astype(np.uint8)


def _grown_plainly(labels: np.ndarray, dark: np.ndarray, levels: np.ndarray, lowest: dict) -> np.ndarray:
    out = labels.copy()
    for y, x in np.argwhere((labels == 0) & (levels > 0)):
        best = dark[y, x] - 1
        for dy, dx in SIDES:
            yo, xo = y + dy, x + dx
            inside = 0 <= yo < labels.shape[0] and 0 <= xo < labels.shape[1]
            if not inside or labels[yo, xo] == 0 or dark[yo, xo] <= best:
                continue
            if 2 * int(levels[y, x]) > lowest[labels[yo, xo]]:
                best, out[y, x] = dark[yo, xo], labels[yo, xo]
    return out


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("shape", [(23, 31), (1, 40), (40, 1), (2, 3), (9, 130)])
def test_growth_goes_uphill_from_every_free_pixel(seed: int, steps: int, shape: tuple[int, int]) -> None:
    labels, dark, levels = _field(seed, shape)
    lowest = {i: levels[labels == i].min() for i in np.unique(labels) if i > 0}
    wanted = labels
    for _ in range(steps):
        wanted = _grown_plainly(wanted, dark, levels, lowest)
    found = labels.copy()
    grow(found, dark, levels, steps)
    assert (found == wanted).all()
    if shape == (23, 31):
        assert (found > 0).sum() > (labels > 0).sum()


@pytest.mark.parametrize("seed", range(6))
def test_holes_of_ragged_objects_are_those_of_scipy(seed: int) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(50, 61)), 0.8)
    labels, _ = ndimage.label(noise > -0.05)
    labels = labels.astype(np.int32)
    wanted = labels.copy()
    for i in range(1, labels.max() + 1):
        wanted[ndimage.binary_fill_holes(labels == i) & (wanted == 0)] = i
    shapes = Shapes.of(labels)
    fill_holes(labels, shapes)
    assert (labels == wanted).all()
    assert (shapes.moments == Shapes.of(labels).moments).all()


def test_holes_are_filled_and_shapes_know_it() -> None:
    labels = np.zeros((20, 24), np.int32)
    labels[2:14, 2:16] = 1
    labels[4:12, 4:12] = 0
    labels[6:9, 6:9] = 2
    labels[7, 7] = 0
    labels[2:8, 18:22] = 3
    filled = labels.copy()
    shapes = Shapes.of(labels)
    fill_holes(filled, shapes)
    wanted = labels.copy()
    for i in (1, 2, 3):
        wanted[ndimage.binary_fill_holes(labels == i) & (wanted == 0)] = i
    assert (filled == wanted).all()
    assert (filled == 2).sum() == 8
    again = Shapes.of(filled)
    # the boundary is not kept up to date
    assert (shapes.moments == again.moments).all()
    assert shapes.boxes.tolist() == boxes(labels).tolist() == [[2, 2, 14, 16], [6, 6, 9, 9], [2, 18, 8, 22]]
    assert shapes.broken.tolist() == [True, True, False]


def test_numbers_follow_the_darkest_pixels() -> None:
    labels, dark, _ = _field(7, (23, 31))
    labels[labels == 4] = 0
    runs = LabelRuns.of_all(labels)
    seeds = runs.darkest(dark)
    found = labels.copy()
    order = renumber(found, runs, seeds)
    assert seeds[3].tolist() == [-1, -1]
    assert len(order) == len(np.unique(labels)) - 1 == found.max()
    keys = []
    for number, row in enumerate(order, 1):
        mask = labels == row + 1
        assert ((found == number) == mask).all()
        place = np.argmax(np.where(mask, dark, -1).ravel())
        assert seeds[row].tolist() == list(np.unravel_index(place, labels.shape))
        keys.append(place)
    assert keys == sorted(keys)
