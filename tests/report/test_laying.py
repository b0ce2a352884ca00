"""A map laid over a picture of a power of 2 of its pixels is what OpenCV makes of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.report import canvas


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    powers=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    more_px=st.tuples(st.integers(-70, 70), st.integers(-70, 70)),
    covered=st.sampled_from([0.1, 0.5, 0.95]),
)
def test_it_is_opencvs(
    seed: int, size: tuple[int, int], powers: tuple[int, int], more_px: tuple[int, int], covered: float
) -> None:
    generator = np.random.default_rng(seed)
    values = (generator.random(size) < covered).astype(np.uint8) * np.uint8(255)
    values = cv2.GaussianBlur(values, (5, 5), 0)
    parts = 2 ** powers[0], 2 ** powers[1]
    shape = max(1, size[0] * parts[0] + more_px[0]), max(1, size[1] * parts[1] + more_px[1])
    laid = canvas.warp_map(values, (0.5 * parts[1], 0.5 * parts[0]), shape, 0.5, smooth=True)
    sy, sx = 1 / parts[0], 1 / parts[1]
    matrix = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    assert np.array_equal(laid, cv2.warpAffine(values, matrix, shape[::-1], flags=flags))


@pytest.mark.parametrize(
    ("ratio", "parts"), [(1.0, 0), (2.0, 2), (16.0, 16), (16.5, 0), (64.0, 64), (128.0, 0)]
)
def test_only_powers_of_two_are_laid_exactly(ratio: float, parts: int) -> None:
    assert canvas._parts(ratio) == parts
