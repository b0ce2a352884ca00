"""Rows of bits against OpenCV and SciPy on plain masks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from histoquant.objects.bit_rows import (
    chosen,
    count_bits,
    dilated,
    eroded,
    grown,
    inverted,
    packed,
    regions,
    spans_of,
    unpacked,
)

SHAPES = [(1, 1), (1, 64), (7, 65), (40, 130), (64, 63), (33, 1)]


def _masks(shape: tuple[int, int]) -> list[np.ndarray]:
    """Blobs, specks, nothing and everything."""
    rng = np.random.default_rng(shape[1])
    soft = cv2.GaussianBlur(rng.normal(size=shape), (0, 0), 1.5) > 0.05
    specks = rng.random(shape) < 0.3
    return [mask.astype(np.uint8) for mask in (soft, specks, np.zeros(shape), np.ones(shape))]


def _disc(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return (y * y + x * x <= radius * radius).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mask_comes_back_with_its_count_and_its_inverse(shape: tuple[int, int]) -> None:
    for mask in _masks(shape):
        bits = packed(mask * np.uint8(7))
        assert np.array_equal(unpacked(bits, shape[1]), mask)
        assert count_bits(bits) == mask.sum()
        assert np.array_equal(unpacked(inverted(bits, shape[1]), shape[1]), 1 - mask)
        assert count_bits(inverted(bits, shape[1])) == (1 - mask).sum()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [1, 2, 3, 6, 7])
def test_discs_dilate_and_erode_like_opencv(shape: tuple[int, int], radius: int) -> None:
    for mask in _masks(shape):
        bits = packed(mask)
        wide, narrow = dilated(bits, shape[1], radius), eroded(bits, shape[1], radius)
        assert np.array_equal(unpacked(wide, shape[1]), cv2.dilate(mask, _disc(radius)))
        assert np.array_equal(unpacked(narrow, shape[1]), cv2.erode(mask, _disc(radius)))


@pytest.mark.parametrize("shape", SHAPES)
def test_growth_stays_in_what_it_grows_into(shape: tuple[int, int]) -> None:
    seed, into = _masks(shape)[1], _masks(shape)[0]
    cross = ndimage.generate_binary_structure(2, 1)
    stepwise = seed.astype(bool)
    for _ in range(3):
        stepwise |= ndimage.binary_dilation(stepwise, cross) & into.astype(bool)
    found = unpacked(grown(packed(seed), packed(into), 3), shape[1]).astype(bool)
    assert np.array_equal(found, stepwise & into.astype(bool))


@pytest.mark.parametrize("shape", SHAPES)
def test_spans_are_the_runs_of_each_row(shape: tuple[int, int]) -> None:
    for mask in _masks(shape):
        rows, spans = spans_of(packed(mask))
        again = np.zeros_like(mask)
        for y in range(shape[0]):
            own = spans[rows[y] : rows[y + 1]]
            assert (own[1:, 0] > own[:-1, 1]).all()
            for begin, end in own:
                again[y, begin:end] = 1
        assert np.array_equal(again, mask)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reach", [0, 1])
def test_regions_are_those_of_scipy_with_their_marks(shape: tuple[int, int], reach: int) -> None:
    mask, marks = _masks(shape)[:2]
    labels, count = ndimage.label(mask, ndimage.generate_binary_structure(2, 1 + reach))
    found = regions(packed(mask), packed(marks), reach)
    first = found.root == np.arange(found.root.size)
    assert first.sum() == count
    area = ndimage.sum_labels(mask, labels, np.arange(1, count + 1))
    marked = ndimage.sum_labels(marks, labels, np.arange(1, count + 1))
    assert sorted(found.area_px[first]) == sorted(area)
    assert sorted(found.marked_px[first]) == sorted(marked)
    kept = unpacked(chosen(found, found.marked_px > 1, packed(mask).shape[1]), shape[1])
    assert np.array_equal(kept, np.isin(labels, np.flatnonzero(marked > 1) + 1).astype(np.uint8))
