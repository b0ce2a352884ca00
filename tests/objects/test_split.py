from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.split import _count_peaks, _flood_depths, _set_depths, split_necks
from histoquant.objects.territory import UNIT


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
    assert split_necks(labels, 0.5, 4) == 2
    assert (np.unique(labels[:, :8]).tolist(), np.unique(labels[:, 8:]).tolist()) == ([0, 1], [0, 2])
