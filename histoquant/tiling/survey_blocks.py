"""What the blocks of a plane hold, added up for the survey: exact integers, whatever the blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.slides.pieces import Piece
from histoquant.tiling.colour_marks import BLACK_MAX, count_marks, leave_out, mark, whiten
from histoquant.tiling.preview import Preview
from histoquant.tiling.relief import KEPT_MAPS, KEPT_ROWS, SCALE_PX, GreenRows, keep_green, tell_missing
from histoquant.tiling.square_sums import PLACE, mean_colours, split, sum_up

__all__ = ["BLACK_MAX", "CELLS", "CELL_PX", "NO_HAZE", "SCALE_PX", "Ledger"]

CELL_PX = 4  # working px per fine cell: 2 um, so that a map px knows how much of it is glass
CELLS = SCALE_PX // CELL_PX
_WHOLE, _BITS = CELL_PX * CELL_PX, np.uint16(4)  # pixels of a cell

# Optical density in thousandths of each intensity against 255, and what of it is taken off that of blue.
_MOD = np.rint(-1000.0 * np.log10(np.maximum(np.arange(256), 1) / 255.0)).astype(np.int32)
_LESS_RED = 3 * _MOD // 5
NO_HAZE = 32767
# Of each green, number of cells and sum of green share 64 bits, and so do red and blue, of so many cells.
_HALF = np.uint64(32)
_MOST_CELLS = 1 << 20


class Maps(NamedTuple):
    """Maps of a `Survey` that need no neighbours; `haze` is `NO_HAZE` where no cell is complete.

    Attributes
    ----------
    sums, light, haze, least, colours : ndarray
    counts : ndarray of uint16, shape (4, h, w)
        Counted, black, grey and brown pixels.
    """

    sums: npt.NDArray[np.uint16]
    counts: npt.NDArray[np.uint16]
    light: npt.NDArray[np.uint8]
    haze: npt.NDArray[np.int16]
    least: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.int64]

    @classmethod
    def blank(cls, rows: int, columns: int) -> Maps:
        """Maps of nothing yet, of so many map pixels."""
        return cls(
            sums=np.zeros((rows, columns, 3), dtype=np.uint16),  # at most 256 x 255
            counts=np.zeros((4, rows, columns), dtype=np.uint16),
            light=np.full((rows * CELLS, columns * CELLS), 255, dtype=np.uint8),
            haze=np.full((rows, columns), NO_HAZE, dtype=np.int16),
            least=np.full((rows, columns, 3), 255, dtype=np.uint8),
            colours=np.zeros((256, 4), dtype=np.int64),
        )


class Ledger:
    """Arrays of a survey that fill as its pieces come.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of the plane.
    """

    def __init__(self, size_px: tuple[int, int]) -> None:
        rows, columns = -(-size_px[1] // SCALE_PX), -(-size_px[0] // SCALE_PX)
        self.maps = Maps.blank(rows, columns)
        self.relief = np.zeros((rows, columns), dtype=np.uint32)
        self.preview = Preview.blank(size_px)
        self._width, self._y = size_px[0], 0
        self._green: GreenRows | None = None

    def take(self, piece: Piece) -> None:
        """Add the next piece, from the top and from the left."""
        number, height, width = piece.rgb.shape[:3]
        if self._green is None:
            self._green = GreenRows(-(-self._width // width) * width, height)
        if piece.y != self._y:
            self._green.end(self._y // SCALE_PX, self.relief)
            self._y = piece.y
        valid = np.empty((number, 0, 0), np.bool_) if piece.valid is None else piece.valid
        green = self._green.green, self._green.missing
        preview = self.preview.rgb, self.preview.scale_px
        _survey_blocks(piece.rgb, valid, (piece.x, piece.y), self.maps, green, preview)

    def end(self) -> None:
        """Say that the last piece was taken."""
        if self._green is not None:
            self._green.end(self._y // SCALE_PX, self.relief)


@njit(cache=True, nogil=True)
def _survey_blocks(rgb, valid, corner, maps, green, preview):  # type: ignore[no-untyped-def]
    """Describe the map pixels of blocks side by side in rows that go through all of them, and shrink them."""
    (x, y), (number, height, width) = corner, rgb.shape[:3]
    wide = number * width
    rows, marks = np.empty((3, SCALE_PX, wide), np.uint8), np.empty((3, wide), np.uint8)
    counted, levels, cells = np.empty((SCALE_PX, wide), np.uint8), np.zeros((256, 2), np.uint64), 0
    known = np.empty((SCALE_PX if valid.size else 0, wide), np.bool_)
    # over squares of 2, 4, 8 and 16 px
    twos, fours = np.empty((3, 8, wide // 2), np.uint16), np.empty((3, 4, wide // 4), np.uint16)
    eights, wholes = np.empty((3, 2, wide // 8), np.uint16), np.empty((3, 1, wide // 16), np.uint16)
    sums, mx = (twos, fours, eights, wholes), x // SCALE_PX
    for line in range(0, min(height, maps.sums.shape[0] * SCALE_PX - y), SCALE_PX):
        place = (y + line) // SCALE_PX, mx
        lacks = green[1][line // SCALE_PX + KEPT_MAPS, mx + 1 : mx + 1 + wholes.shape[2]]
        for k in range(number):
            split(rgb[k, line : line + SCALE_PX].reshape(SCALE_PX, 3 * width), rows, k * width)
            if known.size:
                known[:, k * width : (k + 1) * width] = valid[k, line : line + SCALE_PX]
        keep_green(rows[1], green[0][KEPT_ROWS + line :], x + 1)
        sum_up(rows, sums)
        mean_colours(sums, preview[1], place, preview[0])
        lost = known.size > 0 and whiten(rows, known)
        # black is no colour either
        if mark(rows, marks) or lost:
            leave_out(rows, known, counted)
            sum_up(rows, sums)
            tell_missing(counted, lacks)
            _describe_rest(fours, counted, lacks, place, (maps, levels))
        else:
            lacks[:] = 0
            _describe(fours, (0, lacks.size), place, maps, levels)
        _count(wholes, marks, place, maps)
        cells += fours[0].size
        if cells + fours[0].size > _MOST_CELLS:
            _add_levels(levels, maps.colours)
            cells = 0
    _add_levels(levels, maps.colours)


@njit(cache=True, nogil=True)
def _count(sums, marks, place, maps):  # type: ignore[no-untyped-def]
    """Sums of colours, and black, grey and brown pixels, of a row of map pixels."""
    my, left = place
    for mx in range(min(sums.shape[2], maps.sums.shape[1] - left)):
        for k in range(3):
            maps.sums[my, left + mx, k] = sums[k, 0, mx]
    count_marks(marks, maps.counts[1:, my, left:])


@njit(cache=True, nogil=True)
def _describe(sums, columns, place, maps, levels):  # type: ignore[no-untyped-def]
    """What some of a row of map pixels say beside their sums, of which all cells are complete."""
    (my, left), first = place, columns[0]
    start, wide = left + first, min(columns[1], maps.haze.shape[1] - left) - first
    keys, shared = np.full(wide, np.int32(NO_HAZE << 4), np.int32), levels.ravel()
    maps.counts[0, my, start : start + wide] = SCALE_PX * SCALE_PX
    for cy in range(CELLS):
        cells = slice(CELLS * first, CELLS * (first + wide))
        red, green, blue = sums[0, cy][cells], sums[1, cy][cells], sums[2, cy][cells]
        light = maps.light[CELLS * my + cy][CELLS * start : CELLS * (start + wide)]
        for x in range(PLACE(light.size)):
            light[x] = np.uint8(green[x] >> _BITS)
        for mx in range(PLACE(wide)):
            least = keys[mx]
            for cx in range(PLACE(CELLS)):
                at = PLACE(CELLS) * mx + cx
                r, g, b = PLACE(red[at]), PLACE(green[at]), PLACE(blue[at])
                level = (g >> PLACE(_BITS)) << PLACE(1)
                shared[level] += (PLACE(1) << _HALF) | g
                shared[level + PLACE(1)] += (r << _HALF) | b
                excess = np.int32(_MOD[b >> PLACE(_BITS)] - _LESS_RED[r >> PLACE(_BITS)])
                # with its place, so that the first of equals is the least
                least = min(least, np.int32(np.int32(excess << 4) | np.int32(PLACE(CELLS * cy) + cx)))
            keys[mx] = least
    for k in range(wide):
        cy, column = keys[k] // CELLS % CELLS, CELLS * (first + k) + keys[k] % CELLS
        maps.haze[my, start + k] = keys[k] >> 4
        for c in range(3):
            maps.least[my, start + k, c] = sums[c, cy, column] >> _BITS


@njit(cache=True, nogil=True)
def _add_levels(levels, colours):  # type: ignore[no-untyped-def]
    """Take what was counted for each green into 64 bits, and begin anew."""
    low = (PLACE(1) << _HALF) - PLACE(1)
    for g in range(len(levels)):
        shared, other = levels[g]
        colours[g, 0] += np.int64(shared >> _HALF)
        colours[g, 1] += np.int64(other >> _HALF)
        colours[g, 2] += np.int64(shared & low)
        colours[g, 3] += np.int64(other & low)
    levels[:] = 0


@njit(cache=True, nogil=True)
def _describe_rest(sums, counted, lacks, place, into):  # type: ignore[no-untyped-def]
    """Likewise, where some pixels do not count and are 0 in all colours: map pixels that lack something."""
    (my, left), (maps, levels) = place, into
    end, first = min(lacks.size, maps.haze.shape[1] - left), 0
    for k in range(end):
        if not lacks[k]:
            if k + 1 == end or lacks[k + 1]:
                _describe(sums, (first, k + 1), place, maps, levels)
            continue
        mx, first = left + k, k + 1
        for cy in range(CELLS):
            for cx in range(CELLS):
                x = k * CELLS + cx
                rows, columns = slice(cy * CELL_PX, (cy + 1) * CELL_PX), slice(x * CELL_PX, (x + 1) * CELL_PX)
                number = counted[rows, columns].sum()
                maps.counts[0, my, mx] += number
                if number != _WHOLE:
                    if number:
                        maps.light[CELLS * my + cy, CELLS * mx + cx] = sums[1, cy, x] // number
                    continue
                r, g, b = sums[0, cy, x] >> _BITS, sums[1, cy, x] >> _BITS, sums[2, cy, x] >> _BITS
                maps.light[CELLS * my + cy, CELLS * mx + cx] = g
                maps.colours[g, 0] += 1
                for c in range(3):
                    maps.colours[g, c + 1] += sums[c, cy, x]
                excess = _MOD[b] - _LESS_RED[r]
                if excess < maps.haze[my, mx]:
                    maps.haze[my, mx] = excess
                    maps.least[my, mx, 0], maps.least[my, mx, 1], maps.least[my, mx, 2] = r, g, b
