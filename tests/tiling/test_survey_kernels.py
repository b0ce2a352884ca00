"""Kernels of the survey against NumPy and plain comparisons, colour by colour."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.slides.pieces import Piece
from histoquant.tiling.colour_marks import count_marks, leave_out, mark, whiten
from histoquant.tiling.square_sums import split, sum_up
from histoquant.tiling.survey_blocks import Ledger

LEVELS = np.array(
    [0, 1, 3, 7, 8, 9, 12, 13, 23, 24, 25, 31, 48, 60, 63, 64, 65, 99, 127, 128, 191, 253, 254, 255]
)


def every_colour() -> np.ndarray:
    """Rows of all triples of levels at which something changes, filled up with white; uint8 (3, 16, w)."""
    colours = np.array(np.meshgrid(LEVELS, LEVELS, LEVELS)).reshape(3, -1)
    wide = -(-colours.shape[1] // 256) * 16
    rows = np.full((3, 16 * wide), 255, np.uint8)
    rows[:, : colours.shape[1]] = colours
    return rows.reshape(3, 16, wide)


def test_marks_are_what_their_comparisons_say() -> None:
    rows = every_colour()
    r, g, b = rows.astype(int)
    high, low = rows.astype(int).max(axis=0), rows.astype(int).min(axis=0)
    black = high <= 8
    grey = (high > 12) & (high <= 64) & (high - low <= 24) & (2 * g + 8 >= r + b)
    brown = (4 * b <= 3 * r) & (g >= b) & (r - b >= 25)
    marks = np.empty((3, rows.shape[2]), np.uint8)
    assert mark(rows, marks)
    np.testing.assert_array_equal(marks, np.stack([black, grey, brown]).sum(axis=1))
    counts = np.zeros((3, rows.shape[2] // 16 - 1), np.uint16)
    count_marks(marks, counts)
    np.testing.assert_array_equal(counts, marks.reshape(3, -1, 16).sum(axis=2)[:, :-1])
    rows[:, black] = 9
    assert not mark(rows, marks)


def test_what_is_not_known_is_white_and_then_counts_as_little_as_black() -> None:
    rows, rng = every_colour(), np.random.default_rng(1)
    known = rng.random(rows.shape[1:]) < 0.9
    before = rows.copy()
    assert whiten(rows, known)
    np.testing.assert_array_equal(rows, np.where(known, before, 255))
    counted = np.empty(known.shape, np.uint8)
    leave_out(rows, known, counted)
    np.testing.assert_array_equal(counted, known & (before.max(axis=0) > 8))
    np.testing.assert_array_equal(rows, before * counted)
    assert not whiten(rows, np.ones_like(known))


@pytest.mark.parametrize("width", [16, 48, 256])
def test_sums_of_squares_hold_the_brightest_pixels(width: int) -> None:
    for pixels in (
        np.random.default_rng(width).integers(0, 256, (16 * width, 3)),
        np.full((16 * width, 3), 255),
    ):
        rows = np.empty((3, 16, width), np.uint8)
        for left in range(0, width, 16):
            blocks = pixels.astype(np.uint8).reshape(16, width, 3)[:, left : left + 16]
            split(np.ascontiguousarray(blocks).reshape(16, -1), rows, left)
        sums = tuple(np.empty((3, 16 >> k, width >> k), np.uint16) for k in range(1, 5))
        sum_up(rows, sums)
        for k, found in enumerate(sums, 1):
            side = 1 << k
            squares = pixels.reshape(16 // side, side, width // side, side, 3)
            np.testing.assert_array_equal(found, squares.sum(axis=(1, 3)).transpose(2, 0, 1))


def test_blocks_side_by_side_say_what_each_says_alone() -> None:
    rng = np.random.default_rng(4)
    rgb, valid = rng.integers(0, 256, (5, 32, 48, 3), dtype=np.uint8), np.ones((5, 32, 48), np.bool_)
    rgb[2, :16, 20:40], valid[3, 16:, 16:32], valid[4, 3, 7] = 3, False, False
    together, alone = Ledger((230, 32)), Ledger((230, 32))
    valid[4, :, 38:] = False  # what lies beyond the plane
    together.take(Piece(0, 0, rgb, valid))
    for k in range(5):
        alone.take(Piece(48 * k, 0, rgb[k : k + 1], valid[k : k + 1]))
    for ledger in (together, alone):
        ledger.end()
    for found, told in zip((*together.maps, together.relief), (*alone.maps, alone.relief), strict=True):
        np.testing.assert_array_equal(found, told)
    np.testing.assert_array_equal(together.preview.rgb, alone.preview.rgb)


def test_a_block_of_more_cells_than_a_level_holds_is_counted_in_parts() -> None:
    ledger, side = Ledger((4224, 4224)), 4224
    white = np.broadcast_to(np.uint8(255), (1, side, side, 3))
    ledger.take(Piece(0, 0, np.ascontiguousarray(white), None))
    cells = (side // 4) ** 2
    assert cells * 255 * 16 >= 1 << 32
    assert ledger.maps.colours[255].tolist() == [cells, *[cells * 255 * 16] * 3]
    assert not ledger.maps.colours[:255].any()


def test_relief_asks_all_its_neighbours_corners_too(plane_of) -> None:  # type: ignore[no-untyped-def]
    from histoquant.tiling.survey import survey

    rgb = np.random.default_rng(7).integers(20, 256, (64, 64, 3), dtype=np.uint8)
    for y in range(15, 34):
        for x in (15, 16, 24, 31, 32):
            valid = np.ones((64, 64), bool)
            valid[y, x] = False
            found = survey(plane_of(rgb, valid=valid)).relief
            for my in (1, 2):
                for mx in (1, 2):
                    asked = 16 * my - 1 <= y <= 16 * my + 16 and 16 * mx - 1 <= x <= 16 * mx + 16
                    assert (found[my, mx] == 0) == asked
