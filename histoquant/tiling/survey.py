"""One streaming pass over the working plane: what each 16 x 16 px block holds, as exact integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.errors import UsageError
from histoquant.tiling.preview import Preview

SCALE_PX = 16  # working px per map px: 8 um at 0.5 um/px, one small nucleus
CELL_PX = 4  # working px per fine cell: 2 um, so that a map px knows how much of it is glass
CELLS = SCALE_PX // CELL_PX
_HALO_PX = 1  # reach of the Laplacian

# Opaque padding of scanners is (0, 0, 0), up to 8 after lossy compression; DAB this dark is 1.5 OD in red.
BLACK_MAX = 8

_GREY_MAX = 64  # brightest channel of a "dark" pixel: about 0.58 OD in every channel on usual glass
_GREY_MIN = 12  # darker pixels keep no trace of their colour
_GREY_CHROMA = 24  # largest channel difference of a "grey" one; haematoxylin this dark differs by 50 and more
_GREEN_SLACK = 8  # haematoxylin and DAB together are dark in green, pigment and carbon are not
_BROWN_CHROMA = 25  # least excess of red over blue, so that no pixel is grey and brown
# Optical density in thousandths of each intensity against 255.
_MOD = np.rint(-1000.0 * np.log10(np.maximum(np.arange(256), 1) / 255.0)).astype(np.int32)
_NO_HAZE = np.int16(-32768)
_COUNTS = 7  # red, green, blue, counted, black, grey, brown


class PlaneLike(Protocol):
    """What the survey needs of a plane."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height in plane pixels."""
        ...

    @property
    def mpp_xy(self) -> tuple[float, float]:
        """Micrometres per plane pixel."""
        ...

    def read(
        self, x: int, y: int, width: int, height: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Colours (h, w, 3) and validity (h, w) of a window; outside the plane invalid."""
        ...


@dataclass(frozen=True, eq=False)
class Survey:
    """What the working plane holds, per map pixel of 16 x 16 working px; exact and window-independent.

    Attributes
    ----------
    sums : ndarray of uint16, shape (h, w, 3)
        Sum of red, green and blue over counted pixels: valid, and not black padding.
    counted : ndarray of uint16, shape (h, w)
        Counted pixels, 0 to 256.
    black : ndarray of uint16, shape (h, w)
        Valid pixels with every channel at most 8: padding, or ink.
    grey : ndarray of uint16, shape (h, w)
        Dark pixels without colour: pigment, black ink, and the darkest DAB.
    brown : ndarray of uint16, shape (h, w)
        Pixels with the hue of DAB.
    light : ndarray of uint8, shape (4 h, 4 w)
        Mean green of each 4 x 4 px cell (2 um), rounded down; 255 where nothing is counted.
    relief : ndarray of uint32, shape (h, w)
        Sum of squares of the 5-point Laplacian of green: pixel noise on glass, detail on tissue. 0 where a
        pixel of the block or next to it is not counted.
    haze : ndarray of int16, shape (h, w)
        Least brown excess of the complete 2 um cells: density of blue less 0.6 of that of red against 255, in
        thousandths. Haematoxylin has none, nuclei included; DAB 0.62 of its density. Lowest where no cell is
        complete.
    least_rgb : ndarray of uint8, shape (h, w, 3)
        Mean colour, rounded down, of the cell with the least brown excess, the first of equals in reading
        order; 255 where no cell is complete.
    cell_colours : ndarray of int64, shape (256, 4)
        By the green of a complete 2 um cell: number of cells, and the sums of red, green and blue
        over their pixels.
    preview : Preview
        The plane shrunk, for pictures; no decision looks at it.
    size_px : tuple of int
        Width and height of the working plane.
    mpp_xy : tuple of float
        Micrometres per working px.
    """

    sums: npt.NDArray[np.uint16]
    counted: npt.NDArray[np.uint16]
    black: npt.NDArray[np.uint16]
    grey: npt.NDArray[np.uint16]
    brown: npt.NDArray[np.uint16]
    light: npt.NDArray[np.uint8]
    relief: npt.NDArray[np.uint32]
    haze: npt.NDArray[np.int16]
    least_rgb: npt.NDArray[np.uint8]
    cell_colours: npt.NDArray[np.int64]
    preview: Preview
    size_px: tuple[int, int]
    mpp_xy: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return self.counted.shape[0], self.counted.shape[1]

    @property
    def map_mpp_xy(self) -> tuple[float, float]:
        """Micrometres per map pixel."""
        return self.mpp_xy[0] * SCALE_PX, self.mpp_xy[1] * SCALE_PX

    def mean_rgb(self) -> npt.NDArray[np.float32]:
        """Mean colour of the counted pixels of each map pixel.

        Returns
        -------
        ndarray of float32, shape (h, w, 3)
            NaN where no pixel is counted.
        """
        counted = self.counted.astype(np.float32)
        counted[counted == 0] = np.nan
        return np.asarray(self.sums.astype(np.float32) / counted[..., None])


def survey(plane: PlaneLike, *, band_px: int = 256, window_px: int = 8192) -> Survey:
    """Read the whole plane once and describe every map pixel.

    Parameters
    ----------
    plane : Plane
        Working plane of about 0.5 um/px.
    band_px, window_px : int
        Height and width of the windows read, multiples of 16. They change memory and speed, never the result.

    Returns
    -------
    Survey

    Raises
    ------
    UsageError
        If a window edge is not a positive multiple of 16.
    """
    if band_px <= 0 or window_px <= 0 or band_px % SCALE_PX or window_px % SCALE_PX:
        raise UsageError(f"survey windows must be multiples of {SCALE_PX} px, got {band_px} x {window_px}")
    width, height = plane.size_px
    rows, columns = -(-height // SCALE_PX), -(-width // SCALE_PX)
    ledger = _Ledger(
        sums=np.zeros((rows, columns, 3), dtype=np.uint16),
        counts=np.zeros((4, rows, columns), dtype=np.uint16),
        relief=np.zeros((rows, columns), dtype=np.uint32),
        light=np.full((rows * CELLS, columns * CELLS), 255, dtype=np.uint8),
        haze=np.full((rows, columns), 32767, dtype=np.int16),
        least=np.full((rows, columns, 3), 255, dtype=np.uint8),
        colours=np.zeros((256, 4), dtype=np.int64),
        preview=Preview.blank((width, height)),
    )
    # down each strip, so that the tiles at the border of two windows are still there for the second
    for x in range(0, width, window_px):
        for y in range(0, height, band_px):
            _survey_window(plane, (x, y), (min(window_px, width - x), min(band_px, height - y)), ledger)
    counted, black, grey, brown = ledger.counts
    return Survey(
        sums=ledger.sums,
        counted=counted,
        black=black,
        grey=grey,
        brown=brown,
        light=ledger.light,
        relief=ledger.relief,
        haze=np.where(ledger.haze == 32767, _NO_HAZE, ledger.haze),
        least_rgb=ledger.least,
        cell_colours=ledger.colours,
        preview=ledger.preview,
        size_px=(width, height),
        mpp_xy=(float(plane.mpp_xy[0]), float(plane.mpp_xy[1])),
    )


@dataclass(frozen=True, eq=False)
class _Ledger:
    sums: npt.NDArray[np.uint16]  # at most 256 x 255
    counts: npt.NDArray[np.uint16]  # counted, black, grey, brown
    relief: npt.NDArray[np.uint32]
    light: npt.NDArray[np.uint8]
    haze: npt.NDArray[np.int16]
    least: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.int64]
    preview: Preview


def _survey_window(
    plane: PlaneLike,
    corner: tuple[int, int],
    extent: tuple[int, int],
    ledger: _Ledger,
) -> None:
    """Describe the map pixels of one window into their places."""
    rows, columns = -(-extent[1] // SCALE_PX), -(-extent[0] // SCALE_PX)
    # whole blocks plus halo: what lies beyond the plane comes back invalid
    rgb, valid = plane.read(
        corner[0] - _HALO_PX,
        corner[1] - _HALO_PX,
        columns * SCALE_PX + 2 * _HALO_PX,
        rows * SCALE_PX + 2 * _HALO_PX,
    )
    row, column = corner[1] // SCALE_PX, corner[0] // SCALE_PX
    green = np.empty(valid.shape, dtype=np.int16)
    sums = ledger.sums[row : row + rows, column : column + columns]
    part = ledger.counts[:, row : row + rows, column : column + columns]
    cells = ledger.light[row * CELLS : (row + rows) * CELLS, column * CELLS : (column + columns) * CELLS]
    haze = ledger.haze[row : row + rows, column : column + columns]
    least = ledger.least[row : row + rows, column : column + columns]
    rgb = np.ascontiguousarray(rgb)
    ledger.preview.take(corner, rgb[_HALO_PX:-_HALO_PX, _HALO_PX:-_HALO_PX])
    # one plane per colour: row loops over them become vector instructions, over pixels they do not
    planes = cv2.split(rgb)
    _split_kernel(*planes, np.ascontiguousarray(valid), green)
    _count_kernel(*planes, green, sums, part, cells, haze, least, ledger.colours)
    _relief_kernel(green, ledger.relief[row : row + rows, column : column + columns])


@njit(cache=True, nogil=True)
def _split_kernel(red, grn, blue, valid, green):  # type: ignore[no-untyped-def]
    """Green where a pixel counts, -1 where it does not, -2 where it is black."""
    for y in range(green.shape[0]):
        for x in range(green.shape[1]):
            value = np.int16(grn[y, x])
            if max(red[y, x], max(grn[y, x], blue[y, x])) <= BLACK_MAX:
                value = np.int16(-2)
            if not valid[y, x]:
                value = np.int16(-1)
            green[y, x] = value


@njit(cache=True, nogil=True)
def _count_kernel(red, grn, blue, green, sums, part, cells, haze, least, colours):  # type: ignore[no-untyped-def]
    """Sums and counts of each cell, and what each map pixel and the slide make of them."""
    columns = np.empty((_COUNTS, cells.shape[1] * CELL_PX), np.int16)
    totals = np.empty((_COUNTS, cells.shape[1]), np.uint16)
    for cy in range(cells.shape[0]):
        columns[:] = 0
        for y in range(cy * CELL_PX + _HALO_PX, (cy + 1) * CELL_PX + _HALO_PX):
            _add_row(red[y], grn[y], blue[y], green[y], columns)
        my = cy // CELLS
        for k in range(3):
            _add_cells(columns[k], totals[k], sums[my, :, k])
        for k in range(3, _COUNTS):
            _add_cells(columns[k], totals[k], part[k - 3, my])
        _describe(totals, cells[cy], haze[my], least[my], colours)


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
        excess = _MOD[b] - 3 * _MOD[r] // 5
        mx = cx // CELLS
        if excess < haze[mx]:
            haze[mx] = excess
            least[mx, 0], least[mx, 1], least[mx, 2] = r, g, b


@njit(cache=True, nogil=True)
def _add_row(red, grn, blue, green, columns):  # type: ignore[no-untyped-def]
    """Add one row of pixels to columns of red, green, blue, counted, black, grey and brown.

    Everything is 16 bits wide, and nothing branches.
    """
    red_sum, green_sum, blue_sum, counted, black = columns[0], columns[1], columns[2], columns[3], columns[4]
    grey_sum, brown_sum = columns[5], columns[6]
    for x in range(columns.shape[1]):
        i = x + _HALO_PX
        r, g, b = np.int16(red[i]), np.int16(grn[i]), np.int16(blue[i])
        high, low = max(r, max(g, b)), min(r, min(g, b))
        on = np.int16(green[i] >= 0)
        dark = np.int16(high > np.int16(_GREY_MIN)) & np.int16(high <= np.int16(_GREY_MAX))
        flat = np.int16(np.int16(high - low) <= np.int16(_GREY_CHROMA))
        grey = dark & flat & np.int16(np.int16(2 * g + _GREEN_SLACK) >= np.int16(r + b))
        brown = np.int16(np.int16(4 * b) <= np.int16(3 * r)) & np.int16(g >= b)
        brown &= np.int16(np.int16(r - b) >= np.int16(_BROWN_CHROMA))
        red_sum[x] += np.int16(on * r)
        green_sum[x] += np.int16(on * g)
        blue_sum[x] += np.int16(on * b)
        counted[x] += on
        black[x] += np.int16(green[i] == np.int16(-2))
        grey_sum[x] += np.int16(on & grey)
        brown_sum[x] += np.int16(on & brown)


@njit(cache=True, nogil=True)
def _relief_kernel(green, relief):  # type: ignore[no-untyped-def]
    """Energy of each map pixel, 0 where one of its pixels or of those next to them does not count."""
    energy = np.empty(relief.shape[1] * SCALE_PX, np.int32)
    least = np.empty(green.shape[1], np.int16)
    for my in range(relief.shape[0]):
        top = my * SCALE_PX + _HALO_PX
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
