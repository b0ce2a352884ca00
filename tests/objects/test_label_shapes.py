from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.growing import Grown, grown
from histoquant.objects.label_shapes import boxes, fill_holes, order_of
from histoquant.objects.loose_runs import LooseRuns

sys.path.insert(0, str(Path(__file__).parent))
from nuclei_fields import painted

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
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@pytest.mark.parametrize("shape", [(23, 31), (1, 40), (40, 1), (2, 3), (9, 130)])
def test_growth_goes_uphill_from_every_free_pixel(seed: int, steps: int, shape: tuple[int, int]) -> None:
    labels, dark, levels = _field(seed, shape)
    lowest = {i: levels[labels == i].min() for i in np.unique(labels) if i > 0}
    wanted = labels
    for _ in range(steps):
        wanted = _grown_plainly(wanted, dark, levels, lowest)
    before = labels.copy()
    found = grown(labels, dark, levels, steps)
    known = np.array([lowest.get(label, 0) for label in range(1, labels.max() + 1)], np.uint8)
    again = grown(labels, dark, levels, steps, len(known), known)
    assert np.array_equal(found.runs.spans, again.runs.spans)
    again = grown(labels, dark, np.asfortranarray(levels), steps)
    assert np.array_equal(found.runs.spans, again.runs.spans)
    # as many labels as do not fit into 16 bits
    many = grown(labels + 65530 * (labels > 0), dark, levels, steps)
    assert np.array_equal(found.runs.spans, many.runs.spans)
    assert (many.names == found.names + 65530).all()
    assert (_labels(found, shape) == wanted).all()
    assert (found.held == found.runs.bits(shape)).all()
    assert (labels == before).all()
    if shape == (23, 31) and steps > 0:
        assert (wanted > 0).sum() > (labels > 0).sum()


def _labels(objects: Grown, shape: tuple[int, int]) -> np.ndarray:
    return np.append(objects.names, 0)[painted(objects.runs, shape) - 1]


def _filled_plainly(labels: np.ndarray) -> np.ndarray:
    out = labels.copy()
    for i in range(1, labels.max() + 1):
        out[ndimage.binary_fill_holes(labels == i) & (out == 0)] = i
    return out


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(50, 61), (90, 20), (20, 90)])
def test_holes_of_ragged_objects_are_those_of_scipy(seed: int, shape: tuple[int, int]) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 0.8)
    labels, count = ndimage.label(noise > -0.05)
    labels = labels.astype(np.int32)
    wanted = _filled_plainly(labels)
    runs, names = LooseRuns.met(labels, count)
    held = runs.bits(shape)
    filled = fill_holes(Grown(runs, names, held))
    assert (_labels(Grown(filled, names, held), shape) == wanted).all()
    assert (held == filled.bits(shape)).all()


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_a_hole_in_a_hole_goes_to_the_lower_label(numbers: tuple[int, int]) -> None:
    outer, inner = numbers
    labels = np.zeros((20, 24), np.int32)
    labels[2:14, 2:16] = outer
    labels[4:12, 4:12] = 0
    labels[6:9, 6:9] = inner
    labels[7, 7] = 0
    labels[2:8, 18:22] = 3
    wanted = _filled_plainly(labels)
    assert boxes(labels)[outer - 1].tolist() == [2, 2, 14, 16]
    runs, names = LooseRuns.met(labels, 3)
    held = runs.bits(labels.shape)
    filled = _labels(Grown(fill_holes(Grown(runs, names, held)), names, held), labels.shape)
    assert names.tolist() == [outer, 3, inner]
    assert (filled == wanted).all()
    assert filled[7, 7] == 1
    assert labels[7, 7] == 0


def test_numbers_follow_places_in_raster_order() -> None:
    places = np.random.default_rng(3).permutation(23 * 31)[:100]
    order = order_of(np.column_stack(np.divmod(places, 31)).astype(np.int32), 31)
    assert (places[order] == np.sort(places)).all()
