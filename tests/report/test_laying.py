"""A map laid over a picture is what OpenCV makes of it: exactly in whole 128ths of its pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.report import canvas
from histoquant.report.laying import laid_between


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


@settings(deadline=None, max_examples=120)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    steps=st.tuples(st.floats(0.01, 3), st.floats(0.01, 3)),
    first=st.tuples(st.floats(-9, 30), st.floats(-9, 30)),
    border=st.sampled_from(["constant", "edge"]),
)
def test_in_other_steps_it_lies_where_opencv_lays_it(
    seed: int,
    size: tuple[int, int],
    shape: tuple[int, int],
    steps: tuple[float, float],
    first: tuple[float, float],
    border: str,
) -> None:
    values = np.random.default_rng(seed).random(size, np.float32)
    laid = laid_between(values, shape, steps, first, border)
    # between pixels in double precision, far enough beyond the map
    around = np.pad(values, 12 + 300, border)
    places = [start + step * np.arange(n) + 312 for start, step, n in zip(first, steps, shape, strict=True)]
    wholes = [np.floor(place).astype(int) for place in places]
    down, across = (place - whole for place, whole in zip(places, wholes, strict=True))
    rows, columns = (np.minimum(whole, len_ - 2) for whole, len_ in zip(wholes, around.shape, strict=True))
    corner = around[rows][:, columns], around[rows][:, columns + 1]
    below = around[rows + 1][:, columns], around[rows + 1][:, columns + 1]
    upper, lower = (left + across * (right - left) for left, right in (corner, below))
    expected = upper + down[:, None] * (lower - upper)
    # a place is known to some millionths of a pixel in single precision
    assert np.abs(laid - expected).max() < 1e-4
    matrix = np.array([[steps[1], 0, first[1]], [0, steps[0], first[0]]])
    how = {"constant": cv2.BORDER_CONSTANT, "edge": cv2.BORDER_REPLICATE}[border]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    theirs = cv2.warpAffine(values, matrix, shape[::-1], flags=flags, borderMode=how)
    assert np.abs(laid - theirs).max() < 1e-4
