"""P7: what the map of a slide takes while it is made, per map pixel; a slide of full size has 8 million."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from histoquant.stains import white_point
from histoquant.tiling.maps import box_sum
from histoquant.tiling.survey import CELLS, Survey, survey
from histoquant.tiling.tissue_map import map_tissue

MOST_BYTES = 38
"""Measured 28. One copy of the 2 um cells in four bytes, 16 cells to a map pixel, adds 64, densities 12."""


def _repeated(found: Survey, times: int) -> Survey:
    """A survey of the same section ``times`` by ``times``."""
    maps = {
        field.name: np.tile(value, (times, times, 1)[: value.ndim])
        for field in fields(Survey)
        if isinstance(value := getattr(found, field.name), np.ndarray) and field.name != "cell_colours"
    }
    return replace(found, **maps, cell_colours=found.cell_colours * times * times)


def test_the_map_of_a_slide_holds_few_bytes_per_pixel(painter: Any, plane_of: Any):
    section = survey(plane_of(painter(1600, 1280).photograph()))
    large = _repeated(section, 6)
    assert large.light.shape == (large.shape[0] * CELLS, large.shape[1] * CELLS)
    white = white_point(large)
    map_tissue(section, white)  # compiles
    tracemalloc.start()
    try:
        white_point(large)
        found = map_tissue(large, white)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.tissue.any()
    assert peak / found.tissue.size < MOST_BYTES


@pytest.mark.parametrize("radius", [0, 1, 3, 40])
def test_sums_in_bands_are_those_of_the_whole(radius: int):
    values = np.random.default_rng(radius).integers(-9, 1000, (1100, 23))
    found = box_sum(values, radius)
    for row, column in ((0, 0), (127, 7), (128, 22), (700, 3), (1099, 22)):
        top, left = max(row - radius, 0), max(column - radius, 0)
        assert found[row, column] == values[top : row + radius + 1, left : column + radius + 1].sum()
