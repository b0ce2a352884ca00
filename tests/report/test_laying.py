"""A map laid over a picture in whole 128ths of its pixels is what OpenCV makes of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.report import canvas


@settings(deadline=None, max_examples=120)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    steps=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    more_px=st.tuples(st.integers(-70, 70), st.integers(-70, 70)),
    covered=st.sampled_from([0.1, 0.5, 0.95]),
    mpp=st.sampled_from([0.5, 0.2527, 0.4991 * 3]),
)
def test_it_is_opencvs(
    seed: int,
    size: tuple[int, int],
    steps: tuple[int, int],
    more_px: tuple[int, int],
    covered: float,
    mpp: float,
) -> None:
    generator = np.random.default_rng(seed)
    values = (generator.random(size) < covered).astype(np.uint8) * np.uint8(255)
    values = cv2.GaussianBlur(values, (5, 5), 0)
    shape = tuple(
        max(1, part * 128 // step + more) for part, step, more in zip(size, steps, more_px, strict=True)
    )
    um_y, um_x = (mpp * 128 / step for step in steps)
    laid = canvas.warp_map(values, (um_x, um_y), (shape[0], shape[1]), mpp, smooth=True)
    sy, sx = mpp / um_y, mpp / um_x
    matrix = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    assert np.array_equal(laid, cv2.warpAffine(values, matrix, shape[::-1], flags=flags))


@pytest.mark.parametrize(
    ("share", "steps"),
    [
        (1.0, 0),
        (0.5, 64),
        (3 / 16, 24),
        (0.1 * 3 / (0.1 * 16), 24),
        (3 / 16 + 1e-7, 0),
        (1 / 128, 1),
        (1 / 256, 0),
        (1 / 3, 0),
    ],
)
def test_only_whole_steps_are_laid_exactly(share: float, steps: int) -> None:
    assert canvas._whole_steps(share) == steps
