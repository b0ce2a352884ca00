"""Exact counts of optical-density directions: what stain vectors are estimated from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.errors import UsageError
from histoquant.stains.density import WhiteLike, _check_rgb, white_rgb

Int64Array = npt.NDArray[np.int64]

BINS = 128  # per share of red and green: about 0.4 degrees of direction
_UNITS_PER_OD = 10_000
# Sum of red, green and blue OD at which each level begins: from barely stained to opaque.
LEVEL_OD = (0.12, 0.30, 0.45, 0.70, 1.00, 1.50, 2.20, 3.20)


@dataclass(frozen=True, eq=False)
class StainHistogram:
    """Counts of 2 x 2 px means by amount and direction of optical density.

    Attributes
    ----------
    white_rgb : tuple of 3 float
        White point the densities refer to.
    background_od : tuple of 3 float
        Tint of the tissue itself, taken off every density before its direction is found: a stained cell lies
        in a tinted section, and the tint would pull its direction towards haematoxylin.
    counts : ndarray of int64, shape (levels, 128, 128)
        By total density (level k holds sums from ``LEVEL_OD[k]``) and the shares of red and green in it.
    total : int
        All 2 x 2 px means seen, unstained ones included.
    scale : float
        Factor on every density before its level is told, so that the levels mean the same on a pale and on
        a contrasty scan.

    Notes
    -----
    Integers only: a histogram does not depend on the order of blocks, and the merged histogram of two sets of
    blocks is the histogram of both. Means of 2 x 2 px halve pixel noise, which would turn directions of pale
    stain at random.
    """

    white_rgb: tuple[float, float, float]
    background_od: tuple[float, float, float]
    counts: Int64Array
    total: int = 0
    scale: float = 1.0

    @classmethod
    def empty(
        cls,
        white_point: WhiteLike,
        background_od: tuple[float, float, float] = (0.0, 0.0, 0.0),
        scale: float = 1.0,
    ) -> StainHistogram:
        """Histogram of nothing yet, for one white point, tint of tissue and scale."""
        counts = np.zeros((len(LEVEL_OD), BINS, BINS), dtype=np.int64)
        red, green, blue = (float(od) for od in background_od)
        return cls(white_rgb(white_point), (red, green, blue), counts, 0, float(scale))

    def add(self, rgb: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_] | None = None) -> StainHistogram:
        """Histogram with one more block.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (y, x, 3)
            Block; an odd last row or column is not used.
        mask : ndarray of bool, shape (y, x), optional
            Pixels that count; a 2 x 2 mean counts when all its pixels do.

        Returns
        -------
        StainHistogram
            A new one; this one is unchanged.

        Raises
        ------
        UsageError
            If the image is not 8-bit RGB or the mask has another shape.
        """
        return self.add_all([(rgb, np.ones(rgb.shape[:2], dtype=bool) if mask is None else mask)])

    def add_all(
        self, blocks: Iterable[tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]]
    ) -> StainHistogram:
        """Histogram with more blocks, each with its mask; otherwise as `add`."""
        counts, total = self.counts.copy(), self.total
        limits = np.asarray([round(od * _UNITS_PER_OD) for od in LEVEL_OD], dtype=np.int32)
        table = _quad_table(self.white_rgb, self.background_od, self.scale)
        for rgb, mask in blocks:
            _check_rgb(rgb)
            if mask.shape != rgb.shape[:2]:
                raise UsageError(f"mask of shape {mask.shape} does not fit an image of shape {rgb.shape[:2]}")
            pixels = np.ascontiguousarray(rgb), np.ascontiguousarray(mask)
            total += int(_histogram_kernel(*pixels, table, limits, counts.ravel()))
        return replace(self, counts=counts, total=total)

    def merge(self, other: StainHistogram) -> StainHistogram:
        """Histogram of the blocks of both.

        Parameters
        ----------
        other : StainHistogram
            With the same white point, background and scale.

        Returns
        -------
        StainHistogram

        Raises
        ------
        UsageError
            If white points or backgrounds differ.
        """
        if self._reference != other._reference:
            raise UsageError(
                "stain histograms of different white point, background or scale cannot be merged: "
                f"{self._reference} and {other._reference}"
            )
        return replace(self, counts=self.counts + other.counts, total=self.total + other.total)

    @property
    def _reference(self) -> tuple[tuple[float, float, float], tuple[float, float, float], float]:
        return self.white_rgb, self.background_od, self.scale

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StainHistogram):
            return NotImplemented
        same = self._reference == other._reference and self.total == other.total
        return same and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]


def _quad_table(
    white: tuple[float, float, float], background_od: tuple[float, float, float], scale: float
) -> npt.NDArray[np.int32]:
    """Density above background of a sum of four intensities in 1/10000 OD, not below 0, shape (3, 1021)."""
    mean = np.maximum(np.arange(1021, dtype=np.float64) / 4.0, 1.0)
    od = np.log10(np.asarray(white))[:, None] - np.log10(mean)[None, :] - np.asarray(background_od)[:, None]
    return np.asarray(np.rint(np.maximum(od, 0.0) * (scale * _UNITS_PER_OD)), dtype=np.int32)


@njit(cache=True, nogil=True)
def _histogram_kernel(rgb, mask, table, limits, counts):  # type: ignore[no-untyped-def]
    """Count the 2 x 2 means whose pixels all count; ``counts`` is flat. Returns how many there were."""
    width = rgb.shape[1] // 2
    pairs, densities = np.empty(6 * width, np.uint16), np.empty((3, width), np.int32)
    places = np.empty((3, width), np.int32)
    seen = 0
    for y in range(0, rgb.shape[0] - 1, 2):
        _look_up(rgb[y].ravel(), rgb[y + 1].ravel(), table, pairs, densities)
        _tell_places(densities, limits, places)
        upper, lower = mask[y], mask[y + 1]
        for x in range(width):
            if not (upper[2 * x] & upper[2 * x + 1] & lower[2 * x] & lower[2 * x + 1]):
                continue
            seen += 1
            if places[0, x] >= 0:
                counts[(places[0, x] * BINS + places[1, x]) * BINS + places[2, x]] += 1
    return seen


@njit(cache=True, nogil=True)
def _look_up(upper, lower, table, pairs, densities):  # type: ignore[no-untyped-def]
    """Density of each 2 x 2 mean in each colour."""
    for i in range(pairs.size):
        pairs[i] = np.uint16(upper[i]) + lower[i]
    for c in range(3):
        of, found = table[c], densities[c]
        for x in range(np.uint64(found.size)):
            found[x] = of[np.uint16(pairs[6 * x + c] + pairs[6 * x + c + 3])]


@njit(cache=True, nogil=True, error_model="numpy")
def _tell_places(densities, limits, places):  # type: ignore[no-untyped-def]
    """Level of each mean, -1 where it is not stained, and bins of its shares of red and green."""
    red, green, blue = densities[0], densities[1], densities[2]
    level, red_bin, green_bin = places[0], places[1], places[2]
    level[:] = -1
    for limit in limits:
        for x in range(level.size):
            level[x] += np.int32(np.int32(red[x] + green[x] + blue[x]) >= limit)
    for x in range(level.size):
        # a quotient of such numbers in double precision is never rounded up to a whole one
        total = np.float64(max(np.int32(red[x] + green[x] + blue[x]), np.int32(1)))
        red_bin[x] = min(np.int32(np.float64(np.int32(BINS * red[x])) / total), np.int32(BINS - 1))
        green_bin[x] = min(np.int32(np.float64(np.int32(BINS * green[x])) / total), np.int32(BINS - 1))
