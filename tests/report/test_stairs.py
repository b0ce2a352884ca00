"""Staircases are drawn as OpenCV draws them, pixel for pixel; and so is whatever is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoquant.report import stairs
from histoquant.report.marks import Polygons


def _staircase(mask: np.ndarray) -> np.ndarray:
    """Corners of the first outline along pixel edges of a mask, half a pixel before its pixels."""
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    padded = np.pad(mask, 1)
    for y, x in np.argwhere(padded).tolist():
        around = (
            (padded[y - 1, x], (x, y), (x + 1, y)),
            (padded[y, x + 1], (x + 1, y), (x + 1, y + 1)),
            (padded[y + 1, x], (x + 1, y + 1), (x, y + 1)),
            (padded[y, x - 1], (x, y + 1), (x, y)),
        )
        for other, start, end in around:
            if not other:
                edges.setdefault(start, []).append(end)
    first = min(edges, key=lambda corner: corner[::-1])
    path, at = [first], edges[first].pop()
    while at != first:
        path.append(at)
        at = edges[at].pop()
    corners = np.array(path) - 1.5
    turns = (
        np.sign(np.diff(corners, axis=0, prepend=corners[-1:]))
        != np.sign(np.diff(corners, axis=0, append=corners[:1]))
    ).any(axis=1)
    return corners[turns]


def _cells(generator: np.random.Generator, count: int, width: int, height: int, off_grid: float) -> Polygons:
    outlines = []
    for _ in range(count):
        mask = np.zeros((40, 40), np.uint8)
        axes = tuple(generator.integers(0, 19, 2).tolist())
        cv2.ellipse(mask, (20, 20), axes, float(generator.uniform(0, 180)), 0, 360, 1, -1)
        mask[20, 20] = 1
        mask &= generator.random(mask.shape) < generator.choice([0.9, 1.0])
        if not mask.any():
            continue
        corners = _staircase(mask) + generator.integers(-30, (width, height), 2)
        if generator.random() < 0.3:
            corners = corners[::-1]
        if generator.random() < off_grid:
            corners = corners + generator.uniform(-1, 1, corners.shape)
        outlines.append(corners)
    return Polygons.pack(outlines)


def _listed(outlines: Polygons) -> list[np.ndarray]:
    return np.split(outlines.corners, outlines.offsets[1:-1])


scene = {
    "seed": st.integers(0, 2**32),
    "size": st.tuples(st.integers(1, 220), st.integers(1, 220)),
    "count": st.integers(1, 30),
    "off_grid": st.sampled_from([0.0, 0.2, 1.0]),
}


@settings(deadline=None, max_examples=60)
@given(**scene, channels=st.sampled_from([1, 3]), width_px=st.integers(1, 7))
def test_outlines_are_opencvs(
    seed: int, size: tuple[int, int], count: int, off_grid: float, channels: int, width_px: int
) -> None:
    generator = np.random.default_rng(seed)
    outlines = _cells(generator, count, *size, off_grid)
    if not len(outlines):
        return
    color = tuple(generator.integers(0, 256, channels).tolist())
    drawn = generator.integers(0, 256, (*size[::-1], channels), dtype=np.uint8)
    expected = drawn.copy()
    cv2.polylines(expected, _listed(outlines), True, color, width_px, cv2.LINE_AA, 4)
    stairs.draw_closed(drawn, outlines.corners, outlines.offsets, color, width_px)
    assert np.array_equal(drawn, expected)


@settings(deadline=None, max_examples=40)
@given(**scene)
def test_insides_are_opencvs(seed: int, size: tuple[int, int], count: int, off_grid: float) -> None:
    outlines = _cells(np.random.default_rng(seed), count, *size, off_grid)
    filled, expected = (np.zeros(size[::-1], np.uint8) for _ in range(2))
    for corners in _listed(outlines):
        if len(corners) > 2:
            cv2.fillPoly(expected, [corners], 255, cv2.LINE_8, 4)
    stairs.fill(filled, outlines.corners, outlines.offsets)
    assert np.array_equal(filled, expected)


def test_cells_in_the_midst_of_a_picture_are_staircases() -> None:
    outlines = _cells(np.random.default_rng(0), 50, 400, 400, 0.0).scaled(1.0, (100.0, 100.0))
    kinds = stairs.kinds_of(outlines.corners, outlines.offsets, 600, 600, 6)
    assert (kinds == 1).all()
    far = outlines.scaled(1.0, (700.0, 0.0))
    assert not stairs.kinds_of(far.corners, far.offsets, 600, 600, 6).any()


@pytest.mark.parametrize("side", [63, 64, 65, 150])
def test_large_boxes_are_filled(side: int) -> None:
    box = Polygons.pack([np.array([(9.5, 9.5), (side + 9.5, 9.5), (side + 9.5, 30.5), (9.5, 30.5)])])
    mask = np.zeros((60, 200), np.uint8)
    stairs.fill(mask, box.corners, box.offsets)
    assert (mask[10:32, 10 : side + 11] == 255).all()
    assert np.count_nonzero(mask) == 22 * (side + 1)


def test_corners_that_are_no_numbers_lie_off_the_picture() -> None:
    odd = Polygons.pack([np.array([(np.nan, np.inf), (-np.inf, 3.0), (1.03125, 1e9)])])
    assert odd.corners.tolist() == [[-480_000, 480_000], [-480_000, 48], [16, 480_000]]


def test_picked_polygons_are_those_that_are_kept() -> None:
    generator = np.random.default_rng(4)
    rings = [generator.uniform(0, 9, (k, 2)).astype(np.float32) for k in generator.integers(0, 6, 30)]
    keep = generator.random(30) < 0.5
    chosen = Polygons.pack(rings).select(keep)
    expected = Polygons.pack([ring for ring, kept in zip(rings, keep, strict=True) if kept])
    assert np.array_equal(chosen.points, expected.points)
    assert np.array_equal(chosen.offsets, expected.offsets)


def test_what_would_be_drawn_on_a_copy_or_read_beyond_the_end_is_refused() -> None:
    outlines = _cells(np.random.default_rng(0), 3, 50, 50, 0.0)
    cut_out = np.zeros((60, 90, 3), np.uint8)[:, :60]
    with pytest.raises(ValueError, match="cut-out"):
        stairs.draw_closed(cut_out, outlines.corners, outlines.offsets, (1, 2, 3), 1)
    with pytest.raises(ValueError, match="4 entries for 3 polygons"):
        outlines.select(np.ones(4, bool))
