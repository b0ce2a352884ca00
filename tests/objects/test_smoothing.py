from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.smoothing import smooth, weights


@pytest.mark.parametrize("sigma", [0.4, 1.6, 4.0])
def test_smoothing_is_a_gaussian_in_integers(sigma: float) -> None:
    plane = np.random.default_rng(0).integers(0, 3000, (60, 70)).astype(np.int16)
    assert weights(sigma).sum() == 4096
    wanted = ndimage.gaussian_filter(plane.astype(float), sigma, mode="nearest", truncate=3.0)
    assert np.abs(smooth(plane, sigma) - wanted).max() < 4.0
    assert (smooth(plane, 0.0) == plane).all()


def test_smoothing_does_not_know_the_window() -> None:
    plane = np.random.default_rng(1).integers(-300, 3000, (90, 95)).astype(np.int16)
    part = smooth(np.ascontiguousarray(plane[11:80, 7:90]), 1.6)
    assert (part[5:-5, 5:-5] == smooth(plane, 1.6)[16:75, 12:85]).all()


@pytest.mark.parametrize("shape", [(23, 31), (1, 1), (1, 40), (40, 1), (3, 5), (2, 64), (5, 131)])
@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.3, 1.6, 2.4, 3.7])
def test_smoothing_is_the_plain_sum_rounded_after_each_direction(
    sigma: float, shape: tuple[int, int]
) -> None:
    plane = np.random.default_rng(2).integers(-32768, 32768, shape).astype(np.int16)
    plane[0, 0] = 32767
    taps = weights(sigma).astype(np.int64)
    reach = len(taps) // 2
    wanted = np.maximum(plane.astype(np.int64), 0)
    for axis in (0, 1):
        edges = [(reach, reach) if axis == k else (0, 0) for k in (0, 1)]
        padded = np.pad(wanted, edges, mode="edge")
        length = wanted.shape[axis]
        terms = (tap * np.take(padded, range(k, k + length), axis) for k, tap in enumerate(taps))
        wanted = (sum(terms) + 2048) >> 12
    assert (smooth(plane, sigma) == wanted).all()
    assert smooth(plane, sigma).dtype == smooth(plane, 0.0).dtype == np.int16


def test_negative_amounts_are_none() -> None:
    plane = np.random.default_rng(3).integers(-300, 300, (30, 41)).astype(np.int16)
    assert (smooth(plane, 1.6) == smooth(np.maximum(plane, 0), 1.6)).all()
    assert (smooth(plane, 0.0) == np.maximum(plane, 0)).all()
