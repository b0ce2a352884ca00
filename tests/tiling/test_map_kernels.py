"""Kernels of the map against NumPy, on maps of odd shapes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from histoquant.tiling.crush import _tensor_sums
from histoquant.tiling.focus import _details
from histoquant.tiling.folds import _length_about, _median, _third_lightest
from histoquant.tiling.maps import at_least, box_sum, parts, rod
from histoquant.tiling.survey import CELLS
from histoquant.tiling.tissue import coverage, glass_margin

SHAPES = [(1, 1), (1, 6), (9, 1), (65, 70), (130, 31)]


@pytest.fixture(params=SHAPES, ids=str)
def survey(request: pytest.FixtureRequest) -> Any:
    shape = request.param
    random = np.random.default_rng(shape[0])
    return SimpleNamespace(
        shape=shape,
        light=random.integers(0, 256, (CELLS * shape[0], CELLS * shape[1]), dtype=np.uint8),
        counted=random.integers(0, 257, shape).astype(np.uint16),
        cell_colours=random.integers(0, 50, (256, 4)),
    )


def cells(survey: Any) -> np.ndarray:
    """The 16 cells of each map pixel."""
    rows, columns = survey.shape
    return survey.light.reshape(rows, CELLS, columns, CELLS).transpose(0, 2, 1, 3).reshape(rows, columns, -1)


@pytest.mark.parametrize("white", [243.0, 128.3, 2.0])
def test_coverage_counts_cells_darker_than_glass(survey: Any, white: float) -> None:
    dark = (cells(survey) < white - glass_margin(survey, white)).sum(axis=-1)
    expected = np.minimum(dark / np.maximum(1.0, survey.counted / 16), 1.0)
    assert np.array_equal(coverage(survey, white), expected.astype(np.float32))


def test_the_third_lightest_cell_is_found(survey: Any) -> None:
    third = np.empty(survey.shape, np.uint8)
    _third_lightest(survey.light, third)
    assert np.array_equal(third, np.sort(cells(survey), axis=-1)[..., -3])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_median_floor_is_that_of_all_pixels(survey: Any, share: float) -> None:
    random = np.random.default_rng(2)
    lightest = random.integers(1, 256, survey.shape, dtype=np.uint8)
    whole = random.random(survey.shape) < share
    whole[0, 0] = True
    floor = np.log10(243.0 / np.maximum(np.arange(256), 1).astype(np.float32))
    assert _median(floor, lightest, whole) == float(np.median(floor[lightest[whole]]))


def test_detail_is_the_squared_laplacian_of_squares_of_cells(survey: Any) -> None:
    rows, columns = survey.shape
    for step, detail in zip((1, 2, 4), _details(survey), strict=True):
        edge = CELLS // step
        light = (
            survey.light.astype(np.int64).reshape(rows * edge, step, columns * edge, step).sum(axis=(1, 3))
        )
        framed = np.pad(light, 1, mode="edge")
        around = framed[:-2, 1:-1] + framed[2:, 1:-1] + framed[1:-1, :-2] + framed[1:-1, 2:]
        relief = ((4 * light - around) ** 2).reshape(rows, edge, columns, edge).sum(axis=(1, 3)) * edge**2
        for top, bottom in ((0, rows), (rows // 2, rows), (rows // 3, rows // 3 + 1)):
            assert np.array_equal(detail.energy(top, bottom), relief[top:bottom])


def test_noise_is_the_median_of_glass_and_nothing_without_enough_of_it(survey: Any) -> None:
    flat = np.random.default_rng(1).random(survey.shape) < 0.4
    for detail in _details(survey):
        seen = detail.energy(0, len(flat))[flat]
        expected = float(np.median(seen)) / CELLS**4 if seen.size >= 16 else 0.0
        assert detail.noise(flat) == expected
        assert detail.noise(np.zeros_like(flat)) == 0.0


def test_directions_are_products_of_central_differences(survey: Any) -> None:
    light, (rows, columns) = survey.light.astype(np.int64), survey.shape
    across, down = np.zeros_like(light), np.zeros_like(light)
    across[:, 1:-1] = light[:, 2:] - light[:, :-2]
    down[1:-1] = light[2:] - light[:-2]
    expected = np.stack(
        [
            part.reshape(rows, CELLS, columns, CELLS).sum(axis=(1, 3))
            for part in (across * across, down * down, across * down)
        ]
    )
    top = rows // 3
    found = np.empty((3, rows - top, columns), np.int32)
    _tensor_sums(survey.light, top, found)
    assert np.array_equal(found, expected[:, top:])


def test_length_of_a_part_is_that_of_its_rod_but_for_rounding() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        part = rng.random(rng.integers(1, 90, 2)) < rng.random()
        if np.count_nonzero(part) > 1:
            assert _length_about(part) == pytest.approx(rod(*np.nonzero(part))[0], rel=1e-6)
    assert _length_about(np.zeros((3, 3), np.bool_)) == 0.0


@pytest.mark.parametrize("radius", [0, 1, 4, 30])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (20, 33), (300, 70)])
def test_box_sums_are_those_of_a_window_that_ends_at_the_border(shape: tuple[int, int], radius: int) -> None:
    values = np.random.default_rng(7).integers(-300, 300, shape).astype(np.int16)
    padded = np.pad(values.astype(np.int64), radius)
    side = 2 * radius + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    np.testing.assert_array_equal(box_sum(values, radius), windows.sum(axis=(2, 3)))


@pytest.mark.parametrize("connectivity", [4, 8])
def test_an_empty_map_has_the_parts_opencv_gives_it(connectivity: int) -> None:
    mask = np.zeros((5, 9), np.bool_)
    labels, boxes = parts(mask, connectivity)
    _, expected, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == expected.dtype
    np.testing.assert_array_equal(boxes, stats)
    mask[2, 3:5] = True
    assert not at_least(mask, 2.5).any()
    np.testing.assert_array_equal(at_least(mask, 2.0), mask)
