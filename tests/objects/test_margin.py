from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoquant.objects.margin import near


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (2, 2), (41, 70), (9, 64), (9, 193)])
def test_near_is_as_many_dilations_by_a_cross(shape: tuple[int, int], steps: int) -> None:
    labels = (np.random.default_rng(steps).random(shape) < 0.02).astype(np.int32) * 7
    labels[0, 0] = 3
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    wanted = cv2.dilate((labels > 0).astype(np.uint8), cross, iterations=steps).reshape(shape)
    assert (near(labels, steps) == wanted).all()
    assert (near(labels.T, steps) == wanted.T).all()
    assert near(np.zeros(shape, np.int32), steps).max() == 0
