"""The slide seen on a pixel grid of a chosen resolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError
from histoquant.slides.pieces import BLOCK_PX as PIECE_BLOCK_PX
from histoquant.slides.pieces import Piece, cut
from histoquant.slides.resample import EDGE_BITS, MAX_FACTOR, Axis, box, resample

SNAP = 0.005  # relative: a factor this near a whole number is that number (scanner tolerance)
WORKING_TOLERANCE = 0.05  # working plane: 0.475 to 0.525 um/px count as 0.5; size rules move < 5 %
BLOCK_PX = 4096  # level-0 pixels per side read at once: 67 MB with the validity mask


class Level0(Protocol):
    """What a plane needs from a slide."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height in level-0 pixels."""

    @property
    def mpp_xy(self) -> tuple[float, float]:
        """Micrometres per level-0 pixel."""

    @property
    def mpp(self) -> float:
        """Mean micrometres per level-0 pixel."""

    def read_level0(
        self, x: int, y: int, width: int, height: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read full-resolution pixels."""


@runtime_checkable
class Averaging(Protocol):
    """A slide that may average as it decodes."""

    def read_means(
        self, x: int, y: int, width: int, height: int, factor: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]] | None:
        """Means of whole pixels; None where they must be made of a window."""

    def block_px(self, factor: int) -> tuple[int, int] | None:
        """Width and height of its own blocks in means of whole pixels; None where it has none."""

    def pieces(self, factor: int) -> Iterator[Piece]:
        """All of it in such blocks."""


@runtime_checkable
class Caching(Protocol):
    """A slide that keeps some of what it has decoded."""

    def forget_rest(self) -> None:
        """Release that, unless it is the whole slide."""


@dataclass(frozen=True)
class Plane:
    """A slide at a chosen resolution; made by ``slide.plane(mpp)`` or :func:`working_plane`.

    Parameters
    ----------
    slide : Level0
        Where the pixels come from.
    axis_x, axis_y : Axis
        The pixel grid, anchored at the level-0 top-left corner.
    """

    slide: Level0
    axis_x: Axis
    axis_y: Axis

    @classmethod
    def at_mpp(cls, slide: Level0, mpp: float | None) -> Plane:
        """Grid of ``mpp`` micrometres per pixel on both axes, or level 0 itself for None."""
        if mpp is None:
            return cls.at_factor(slide, 1.0, 1.0)
        if not mpp > 0:
            raise UsageError(f"um/px must be positive, not {mpp!r}.")
        factors = [mpp / own for own in slide.mpp_xy]
        snapped = [max(1, round(factor)) for factor in factors]
        if all(abs(f - n) <= SNAP * n for f, n in zip(factors, snapped, strict=True)):
            factors = [float(n) for n in snapped]
        return cls.at_factor(slide, factors[0], factors[1])

    @classmethod
    def at_factor(cls, slide: Level0, factor_x: float, factor_y: float) -> Plane:
        """Grid of ``factor`` level-0 pixels per plane pixel along each axis."""
        for factor in (factor_x, factor_y):
            if not 1 / MAX_FACTOR <= factor <= MAX_FACTOR:
                raise UsageError(f"Cannot scale a slide by {factor:g}; the limit is {MAX_FACTOR} either way.")
        width, height = slide.size_px
        steps = [round(factor * (1 << EDGE_BITS)) for factor in (factor_x, factor_y)]
        return cls(slide, Axis(width, steps[0]), Axis(height, steps[1]))

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height in plane pixels."""
        return self.axis_x.size, self.axis_y.size

    @property
    def factor_xy(self) -> tuple[float, float]:
        """Level-0 pixels per plane pixel."""
        return self.axis_x.factor, self.axis_y.factor

    @property
    def mpp_xy(self) -> tuple[float, float]:
        """Micrometres per plane pixel in x and in y."""
        own_x, own_y = self.slide.mpp_xy
        return own_x * self.axis_x.factor, own_y * self.axis_y.factor

    @property
    def mpp(self) -> float:
        """Micrometres per plane pixel, mean of x and y."""
        return sum(self.mpp_xy) / 2

    def index_of(self, x_px: int, y_px: int) -> tuple[int, int]:
        """Plane pixel that contains the centre of a level-0 pixel."""
        return self.axis_x.index_of(x_px), self.axis_y.index_of(y_px)

    def to_level0(
        self, x: npt.ArrayLike, y: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Level-0 coordinates of plane coordinates.

        Parameters
        ----------
        x, y : array_like
            Plane coordinates in which whole numbers are pixel centres.

        Returns
        -------
        x_px, y_px : ndarray of float64
            ``(x + 0.5) * factor - 0.5``: level-0 coordinates in which whole numbers are pixel centres.
        """
        factor_x, factor_y = self.factor_xy
        x_px = (np.asarray(x, np.float64) + 0.5) * factor_x - 0.5
        return x_px, (np.asarray(y, np.float64) + 0.5) * factor_y - 0.5

    def read(
        self, x: int, y: int, width: int, height: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read a window of the plane.

        Parameters
        ----------
        x, y : int
            Plane pixel of the window's top-left corner; may lie outside.
        width, height : int
            Window size in plane pixels.

        Returns
        -------
        rgb : ndarray of uint8, shape (height, width, 3)
            Mean over the valid level-0 area of each pixel (linear interpolation below factor 1);
            white where invalid. The same bytes in every window that contains the pixel.
        valid : ndarray of bool, shape (height, width)
            True where at least half of the pixel's area is valid; False outside the plane.
        """
        if width < 0 or height < 0:
            raise UsageError(f"A window cannot be {width} x {height} px.")
        if self.axis_x.whole == self.axis_y.whole == 1:
            return self.slide.read_level0(x, y, width, height)
        whole = self.axis_x.whole
        if whole and whole == self.axis_y.whole and isinstance(self.slide, Averaging):
            means = self.slide.read_means(x, y, width, height, whole)
            if means is not None:
                return means
        rgb = np.full((height, width, 3), 255, np.uint8)
        valid = np.zeros((height, width), np.bool_)
        for top, bottom in _blocks(self.axis_y, y, height):
            for left, right in _blocks(self.axis_x, x, width):
                part = self._read_block(left, top, right - left, bottom - top)
                place = (slice(top - y, bottom - y), slice(left - x, right - x))
                rgb[place], valid[place] = part
        return rgb, valid

    def forget_rest(self) -> None:
        """Have a slide too large for its cache release what it has decoded: what follows needs the memory."""
        if isinstance(self.slide, Caching):
            self.slide.forget_rest()

    @property
    def block_px(self) -> tuple[int, int]:
        """Width and height of the blocks of `pieces`."""
        return self._own_block_px or (PIECE_BLOCK_PX, PIECE_BLOCK_PX)

    def pieces(self) -> Iterator[Piece]:
        """Each pixel once, in the reader's own blocks where it has any: what :meth:`read` gives, uncopied."""
        if self._own_block_px is not None and isinstance(self.slide, Averaging):
            return self.slide.pieces(self.axis_x.whole)
        return cut(self)

    @property
    def _own_block_px(self) -> tuple[int, int] | None:
        whole = self.axis_x.whole
        if not whole or whole != self.axis_y.whole or not isinstance(self.slide, Averaging):
            return None
        return self.slide.block_px(whole)

    def _read_block(
        self, x: int, y: int, width: int, height: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        whole = self.axis_x.whole
        if whole and whole == self.axis_y.whole:
            source = (x * whole, y * whole, width * whole, height * whole)
            rgb, valid = self.slide.read_level0(*source)
            if valid.all():
                return box(np.ascontiguousarray(rgb), whole), np.ones((height, width), np.bool_)
            return resample(rgb, valid, self.axis_x.taps(x, width), self.axis_y.taps(y, height))
        taps_x, taps_y = self.axis_x.taps(x, width), self.axis_y.taps(y, height)
        rgb, valid = self.slide.read_level0(
            taps_x.start, taps_y.start, taps_x.stop - taps_x.start, taps_y.stop - taps_y.start
        )
        return resample(rgb, valid, taps_x, taps_y)


def _blocks(axis: Axis, start: int, count: int) -> Iterator[tuple[int, int]]:
    """Cut the part of a run that lies on the plane into pieces of about ``BLOCK_PX`` level-0 pixels.

    Pieces end at multiples of their length, so that whole factors cut where file tiles end.
    """
    stop = min(start + count, axis.size)
    start = max(start, 0)
    length = max(1, int(BLOCK_PX / axis.factor))
    while start < stop:
        end = min((start // length + 1) * length, stop)
        yield start, end
        start = end


def working_plane(slide: Level0, working_mpp: float = 0.5) -> Plane:
    """The plane all analysis runs on.

    Parameters
    ----------
    slide : Slide
        The slide.
    working_mpp : float
        Wanted um/px; 0.5 is 20x (architecture decision 2).

    Returns
    -------
    Plane
        A whole factor where level-0 um/px times a whole number is within 5 % of ``working_mpp``
        (0.499 is read as it is, 0.25 is halved), else exactly ``working_mpp`` by area average,
        or by linear interpolation for slides coarser than that.
    """
    if not working_mpp > 0:
        raise UsageError(f"Working um/px must be positive, not {working_mpp!r}.")
    whole = max(1, round(working_mpp / slide.mpp))
    if abs(slide.mpp * whole - working_mpp) <= WORKING_TOLERANCE * working_mpp:
        return Plane.at_factor(slide, float(whole), float(whole))
    return Plane.at_mpp(slide, working_mpp)
