"""Discs cover what OpenCV's dilation and blur cover, pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.report.canvas import blend, paint_dots
from histoquant.report.dots import paint_discs

COLOR = (200, 30, 90)


def _mask(shape: tuple[int, int], xy: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.uint8]:
    """Discs as they were drawn before: dilated from points, and blurred."""
    mask = np.zeros(shape, np.uint8)
    for x, y in np.rint(xy):
        if 0 <= x < shape[1] and 0 <= y < shape[0]:
            mask[int(y), int(x)] = 255
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return np.asarray(cv2.GaussianBlur(mask, (3, 3), 0) if size > 3 else mask, np.uint8)


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 200)),
    dots=st.integers(0, 30),
    size=st.integers(1, 70),
    alpha=st.floats(0, 1),
)
def test_discs_are_points_dilated_and_blurred(
    seed: int, shape: tuple[int, int], dots: int, size: int, alpha: float
) -> None:
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (*shape, 3), dtype=np.uint8)
    xy = generator.uniform(-10, (shape[1] + 10, shape[0] + 10), (dots, 2))
    xy[::3] = np.floor(xy[::3]) + 0.5  # halfway between pixels
    expected = image.copy()
    blend(expected, _mask(shape, xy, size), COLOR, alpha)
    paint_discs(image, xy, COLOR, float(size), alpha)
    assert np.array_equal(image, expected)


@pytest.mark.parametrize("place", [np.nan, np.inf, -np.inf, 1e300, -0.51, 9.51])
def test_what_lies_nowhere_in_the_picture_is_left_out(place: float) -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    paint_dots(image, np.array([[place, 5.0], [5.0, place]]), COLOR, 3.0, halo_px=1.0)
    assert not image.any()


def test_a_halo_lies_below_all_discs() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    paint_dots(image, np.array([[8.0, 10.0], [11.0, 10.0]]), COLOR, 3.0, halo_px=2.0)
    assert (image[10, 7:13] == COLOR).all()
    assert (image[10, 6] == np.rint(0.9 * 255)).all()
    assert not image[10, 1].any()


def test_a_cut_out_is_refused() -> None:
    with pytest.raises(ValueError, match="contiguous"):
        paint_discs(np.zeros((9, 21, 3), np.uint8)[:, :10], np.zeros((1, 2)), COLOR, 3.0, 1.0)
