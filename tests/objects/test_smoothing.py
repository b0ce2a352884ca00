from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.smoothing import smooth, weights


@pytest.mark.parametrize("sigma", [0.4, 1.6, 4.0])
def test_smoothing_is_a_gaussian_in_integers(sigma: float) -> None:
    plane = np.random.default_rng(0).integers(-300, 3000, (60, 70)).astype(np.int16)
    assert weights(sigma).sum() == 4096
    wanted = ndimage.gaussian_filter(plane.astype(float), sigma, mode="nearest", truncate=3.0)
    assert np.abs(smooth(plane, sigma) - wanted).max() < 4.0
    assert (smooth(plane, 0.0) == plane).all()


def test_smoothing_does_not_know_the_window() -> None:
    plane = np.random.default_rng(1).integers(-300, 3000, (90, 95)).astype(np.int16)
    part = smooth(np.ascontiguousarray(plane[11:80, 7:90]), 1.6)
    assert (part[5:-5, 5:-5] == smooth(plane, 1.6)[16:75, 12:85]).all()
