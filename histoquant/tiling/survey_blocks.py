"""What the blocks of a plane hold, added up for the survey: exact integers, whatever the blocks."""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit

from histoquant.slides.pieces import Piece
from histoquant.tiling.preview import Preview

SCALE_PX = 16  # working px per map px: 8 um at 0.5 um/px, one small nucleus
CELL_PX = 4  # working px per fine cell: 2 um, so that a map px knows how much of it is glass
CELLS = SCALE_PX // CELL_PX
_KEPT_ROWS = SCALE_PX + 1  # of the blocks above: a map px waits for the row below it

# Opaque padding of scanners is (0, 0, 0), up to 8 after lossy compression; DAB this dark is 1.5 OD in red.
BLACK_MAX = 8

_GREY_MAX = 64  # brightest channel of a "dark" pixel: about 0.58 OD in every channel on usual glass
_GREY_MIN = 12  # darker pixels keep no trace of their colour
_GREY_CHROMA = 24  # largest channel difference of a "grey" one; haematoxylin this dark differs by 50 and more
_GREEN_SLACK = 8  # haematoxylin and DAB together are dark in green, pigment and carbon are not
_BROWN_CHROMA = 25  # least excess of red over blue, so that no pixel is grey and brown
# Optical density in thousandths of each intensity against 255, and what of it is taken off that of blue.
_MOD = np.rint(-1000.0 * np.log10(np.maximum(np.arange(256), 1) / 255.0)).astype(np.int32)
_LESS_RED = 3 * _MOD // 5
NO_HAZE = 32767
# Black, grey and brown pixels of 16 rows share one number of 16 bits.
_GREY, _BROWN, _FIELD = 1 << 5, 1 << 10, 31


class Ledger:
    """Arrays of a survey that fill as its pieces come.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of the plane.
    """

    def __init__(self, size_px: tuple[int, int]) -> None:
        rows, columns = -(-size_px[1] // SCALE_PX), -(-size_px[0] // SCALE_PX)
        self.sums = np.zeros((rows, columns, 3), dtype=np.uint16)  # at most 256 x 255
        self.counts = np.zeros((4, rows, columns), dtype=np.uint16)  # counted, black, grey, brown
        self.relief = np.zeros((rows, columns), dtype=np.uint32)
        self.light = np.full((rows * CELLS, columns * CELLS), 255, dtype=np.uint8)
        self.haze = np.full((rows, columns), NO_HAZE, dtype=np.int16)
        self.least = np.full((rows, columns, 3), 255, dtype=np.uint8)
        self.colours = np.zeros((256, 4), dtype=np.int64)
        self.preview = Preview.blank(size_px)
        self._width, self._y = size_px[0], 0
        self._green = np.empty((0, 0), np.int16)

    def take(self, piece: Piece) -> None:
        """Add the next piece, from the top and from the left."""
        number, height, width = piece.rgb.shape[:3]
        if not self._green.size:
            across = -(-self._width // width) * width
            # a row of blocks with what is kept of those above, and a pixel that does not count on either side
            self._green = np.full((_KEPT_ROWS + height, across + 2), -1, np.int16)
        if piece.y != self._y:
            self._end_row()
            self._y = piece.y
        # one plane per colour: row loops over them become vector instructions, over pixels they do not
        planes = cv2.split(piece.rgb.reshape(number * height, width, 3))
        self.preview.take((piece.x, piece.y), planes, number)
        valid = piece.valid
        if valid is None:
            valid = np.empty((number, 0, 0), np.bool_)
        place = piece.x, piece.y, height
        maps = self.sums, self.counts, self.light, self.haze, self.least, self.colours
        _survey_blocks(planes[0], planes[1], planes[2], valid, self._green, place, maps)

    def end(self) -> None:
        """Say that the last piece was taken."""
        self._end_row()
        rows = (len(self._green) - _KEPT_ROWS) // SCALE_PX
        self._green[_KEPT_ROWS] = -1
        _relief_kernel(self._green, self.relief[self._y // SCALE_PX + rows - 1 :][:1])

    def _end_row(self) -> None:
        """Relief of what has all its neighbours now: all but the last row of map pixels, and that above."""
        height = len(self._green) - _KEPT_ROWS
        first, rows = self._y // SCALE_PX, height // SCALE_PX
        if first:
            _relief_kernel(self._green, self.relief[first - 1 : first + rows - 1])
        else:
            _relief_kernel(self._green[SCALE_PX:], self.relief[: rows - 1])
        self._green[:_KEPT_ROWS] = self._green[height:].copy()


@njit(cache=True, nogil=True)
def _survey_blocks(red, grn, blue, valid, green, place, maps):  # type: ignore[no-untyped-def]
    """Describe the map pixels of blocks, one below the other in planes of their colours."""
    (x, y, height), width = place, red.shape[1]
    for k in range(len(valid)):
        rows = slice(k * height, (k + 1) * height)
        colours, left = (red[rows], grn[rows], blue[rows]), x + k * width
        _mark(colours, valid[k], green, left)
        _count_block(colours, green, (y, left), maps)


@njit(cache=True, nogil=True)
def _mark(colours, valid, green, left):  # type: ignore[no-untyped-def]
    """Green where a pixel counts, -1 where it does not, -2 where it is black."""
    red, grn, blue = colours
    for y in range(len(red)):
        reds, greens, blues = red[y], grn[y], blue[y]
        row = green[_KEPT_ROWS + y][left + 1 : left + 1 + reds.size]
        for x in range(row.size):
            black = max(reds[x], max(greens[x], blues[x])) <= np.uint8(BLACK_MAX)
            row[x] = np.int16(-2) if black else np.int16(greens[x])
        if valid.size:
            known = valid[y]
            for x in range(row.size):
                row[x] = row[x] if known[x] else np.int16(-1)


@njit(cache=True, nogil=True)
def _count_block(colours, green, corner, maps):  # type: ignore[no-untyped-def]
    """Sums and counts of each cell, and what each map pixel and the slide make of them."""
    (red, grn, blue), (sums, counts, light, haze, least, levels) = colours, maps
    top, left = corner[0] // SCALE_PX, corner[1] // SCALE_PX
    right = min(left + red.shape[1] // SCALE_PX, sums.shape[1])
    cells = slice(left * CELLS, right * CELLS)
    start, width = corner[1] + 1, (right - left) * SCALE_PX
    columns, marks = np.empty((4, width), np.int16), np.empty(width, np.int16)
    totals = np.empty((4, width // CELL_PX), np.uint16)
    for my in range(top, min(top + len(red) // SCALE_PX, len(sums))):
        marks[:] = 0
        for cy in range(my * CELLS, (my + 1) * CELLS):
            columns[:] = 0
            first = cy * CELL_PX - corner[0]
            for y in range(first, first + CELL_PX):
                counted = green[_KEPT_ROWS + y][start : start + width]
                _add_row(red[y], grn[y], blue[y], counted, columns, marks)
            for k in range(3):
                _add_cells(columns[k], totals[k], sums[my, left:right, k])
            _add_cells(columns[3], totals[3], counts[0, my, left:right])
            _describe(totals, light[cy][cells], haze[my][left:right], least[my, left:right], levels)
        _add_marks(marks, counts[1:, my, left:right])


@njit(cache=True, nogil=True)
def _add_row(red, grn, blue, green, columns, marks):  # type: ignore[no-untyped-def]
    """Add one row of pixels to columns of red, green, blue and counted, and mark black, grey and brown ones.

    Everything is 16 bits wide, and nothing branches.
    """
    red_sum, green_sum, blue_sum, counted = columns[0], columns[1], columns[2], columns[3]
    for x in range(marks.size):
        r, g, b = np.int16(red[x]), np.int16(grn[x]), np.int16(blue[x])
        high, low = max(r, max(g, b)), min(r, min(g, b))
        on = np.int16(green[x] >= 0)
        dark = np.int16(high > np.int16(_GREY_MIN)) & np.int16(high <= np.int16(_GREY_MAX))
        flat = np.int16(np.int16(high - low) <= np.int16(_GREY_CHROMA))
        grey = dark & flat & np.int16(np.int16(2 * g + _GREEN_SLACK) >= np.int16(r + b))
        brown = np.int16(np.int16(4 * b) <= np.int16(3 * r)) & np.int16(g >= b)
        brown &= np.int16(np.int16(r - b) >= np.int16(_BROWN_CHROMA))
        red_sum[x] += np.int16(on * r)
        green_sum[x] += np.int16(on * g)
        blue_sum[x] += np.int16(on * b)
        counted[x] += on
        coloured = np.int16(np.int16(on & grey) * np.int16(_GREY) + np.int16(on & brown) * np.int16(_BROWN))
        marks[x] += np.int16(coloured + np.int16(green[x] == np.int16(-2)))


@njit(cache=True, nogil=True)
def _add_cells(columns, totals, part):  # type: ignore[no-untyped-def]
    """Columns to cells, and cells to map pixels."""
    for cx in range(totals.size):
        x = cx * CELL_PX
        totals[cx] = columns[x] + columns[x + 1] + columns[x + 2] + columns[x + 3]
    for mx in range(part.size):
        cx = mx * CELLS
        part[mx] += np.uint32(totals[cx]) + totals[cx + 1] + totals[cx + 2] + totals[cx + 3]


@njit(cache=True, nogil=True)
def _add_marks(marks, counts):  # type: ignore[no-untyped-def]
    """Marked pixels of columns to black, grey and brown ones of map pixels."""
    for mx in range(counts.shape[1]):
        black = grey = brown = np.uint16(0)
        for mark in marks[mx * SCALE_PX : (mx + 1) * SCALE_PX]:
            black += np.uint16(mark & _FIELD)
            grey += np.uint16(mark // _GREY & _FIELD)
            brown += np.uint16(mark // _BROWN)
        counts[0, mx], counts[1, mx], counts[2, mx] = black, grey, brown


@njit(cache=True, nogil=True)
def _describe(totals, cells, haze, least, colours):  # type: ignore[no-untyped-def]
    """What a row of cells says beside its sums."""
    whole = np.uint16(CELL_PX * CELL_PX)
    for cx in range(cells.size):
        counted = totals[3, cx]
        if counted != whole:
            if counted:
                cells[cx] = totals[1, cx] // counted
            continue
        r, g, b = totals[0, cx] // whole, totals[1, cx] // whole, totals[2, cx] // whole
        cells[cx] = g
        colours[g, 0] += 1
        for k in range(3):
            colours[g, k + 1] += totals[k, cx]
        excess = _MOD[b] - _LESS_RED[r]
        mx = cx // CELLS
        if excess < haze[mx]:
            haze[mx] = excess
            least[mx, 0], least[mx, 1], least[mx, 2] = r, g, b


@njit(cache=True, nogil=True)
def _relief_kernel(green, relief):  # type: ignore[no-untyped-def]
    """Energy of each map pixel, 0 where one of its pixels or of those next to them does not count."""
    energy = np.empty(relief.shape[1] * SCALE_PX, np.int32)
    least = np.empty(green.shape[1], np.int16)
    for my in range(relief.shape[0]):
        top = my * SCALE_PX + 1
        energy[:] = 0
        least[:] = 0
        for y in range(top - 1, top + SCALE_PX + 1):
            row = green[y]
            for x in range(least.size):
                least[x] = min(least[x], row[x])
        for y in range(top, top + SCALE_PX):
            _add_relief(green[y - 1], green[y], green[y + 1], energy)
        for mx in range(relief.shape[1]):
            left = mx * SCALE_PX
            if least[left : left + SCALE_PX + 2].min() == 0:
                relief[my, mx] = energy[left : left + SCALE_PX].sum()


@njit(cache=True, nogil=True)
def _add_relief(above, row, below, energy):  # type: ignore[no-untyped-def]
    """Add the squared Laplacian of a row to its columns: at most 16 x 1020^2."""
    for x in range(energy.size):
        around = np.int32(above[x + 1]) + below[x + 1] + row[x] + row[x + 2]
        relief = np.int32(4) * row[x + 1] - around
        energy[x] += np.int32(relief * relief)
