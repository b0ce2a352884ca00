from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.loose_runs import LooseRuns
from histoquant.objects.nearest import UNIT
from histoquant.objects.necks import may_narrow
from histoquant.objects.split import _count_peaks, _cut, _flood_depths, _Room, _set_depths

sys.path.insert(0, str(Path(__file__).parent))
from nuclei_fields import split


def _shape(seed: int, detail: float) -> np.ndarray:
    """A ragged object, possibly in several pieces, as label 1 of an image."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(31, 40)), detail)
    return (noise > np.quantile(noise, 0.4)).astype(np.int32)


def _depths(labels: np.ndarray) -> np.ndarray:
    depth = np.empty((labels.shape[0] + 2, labels.shape[1] + 2), np.int32)
    _set_depths(labels, 1, depth)
    return depth


@pytest.mark.parametrize("seed", range(3))
def test_depths_by_brute_force(seed: int) -> None:
    labels = _shape(seed, 2.0)
    depth = _depths(labels)
    assert (depth > 0).tolist() == np.pad(labels == 1, 1).tolist()
    outside = np.argwhere(np.pad(labels, 1) != 1)
    for y, x in np.argwhere(labels == 1) + 1:
        dy, dx = np.abs(outside - (y, x)).T
        assert depth[y, x] == (UNIT * np.maximum(dy, dx) + 2 * np.minimum(dy, dx)).min()


@pytest.mark.parametrize("detail", [0.6, 1.5, 3.0, 5.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 0.95, 1.0])
def test_a_flood_that_ends_early_finds_as_many_parts_as_a_whole_one(detail: float, share: float) -> None:
    for seed in range(12):
        depth = _depths(_shape(seed, detail))
        of_pixel = np.zeros((6, depth.size), np.int32)
        # told of more peaks than there are, it looks for them to the end
        whole = _flood_depths(depth, share, depth.size, of_pixel.copy())
        early = _flood_depths(depth, share, _count_peaks(depth), of_pixel)
        assert max(early, 1) == whole


def test_an_object_in_two_pieces_is_two_parts() -> None:
    labels = np.zeros((8, 17), np.int32)
    labels[1:7, 1:7] = labels[1:7, 10:16] = 1
    parts = split(labels, 0.5, 4)
    assert (np.unique(parts[:, :8]).tolist(), np.unique(parts[:, 8:]).tolist()) == ([0, 1], [0, 2])


@pytest.mark.parametrize("shape", [(31, 34), (70, 40), (40, 75), (9, 30)])
@pytest.mark.parametrize("detail", [1.2, 2.5, 4.0])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 1.0])
def test_whatever_a_flood_would_cut_may_narrow(shape: tuple[int, int], detail: float, share: float) -> None:
    parted = 0
    for seed in range(6):
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), detail)
        labels, count = ndimage.label(noise > np.quantile(noise, 0.3), np.ones((3, 3)))
        runs, _ = LooseRuns.met(labels.astype(np.int32), count)
        rows, pixels = may_narrow(runs, np.full(count, share), 4)
        for i in range(count):
            own = runs.spans[runs.first[i] : runs.last[i]]
            number = _cut(own, share, 4, _Room.of((shape[0] + 2) * (shape[1] + 2)))
            parted += int(number.max() > 1)
            assert number.max() < 2 or i in rows
        boxes = runs.taken(rows).boxes()
        assert pixels >= ((boxes[:, 2:] - boxes[:, :2]) + 2).prod(axis=1).max(initial=4)
    assert parted > 0 or shape[0] < 3 * detail


def test_most_objects_need_no_flood() -> None:
    y, x = np.mgrid[:60, :60]
    bent = ((y - 30.0) ** 2 + (x - 30.0) ** 2 < 400) & ((y - 30.0) ** 2 + (x - 18.0) ** 2 > 260)
    runs, _ = LooseRuns.met(bent.astype(np.int32), 1)
    assert may_narrow(runs, np.array([0.5]), 40)[0].tolist() == []
