"""One streaming pass over the working plane: what each 16 x 16 px block holds, as exact integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError
from histoquant.slides.pieces import BLOCK_PX, Piece, cut
from histoquant.tiling.preview import Preview
from histoquant.tiling.survey_blocks import BLACK_MAX, CELL_PX, CELLS, NO_HAZE, SCALE_PX, Ledger

__all__ = ["BLACK_MAX", "CELLS", "CELL_PX", "SCALE_PX", "PlaneLike", "Survey", "survey"]

_NO_HAZE = np.int16(-32768)


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


@runtime_checkable
class InPieces(Protocol):
    """A plane that is read in blocks at less expense than in windows."""

    def pieces(self) -> Iterator[Piece]:
        """Rows of blocks from the top, each from the left; sides are multiples of 16."""
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


def survey(plane: PlaneLike, *, block_px: int | None = None) -> Survey:
    """Read the whole plane once and describe every map pixel.

    Parameters
    ----------
    plane : Plane
        Working plane of about 0.5 um/px.
    block_px : int, optional
        Side of the blocks that are read, a multiple of 16; the plane's own where it is not given. It changes
        memory and speed, never the result.

    Returns
    -------
    Survey

    Raises
    ------
    UsageError
        If a block's side is not a positive multiple of 16.
    """
    if block_px is not None and (block_px <= 0 or block_px % SCALE_PX):
        raise UsageError(f"blocks of a survey must be multiples of {SCALE_PX} px, got {block_px}")
    ledger = Ledger(plane.size_px)
    in_pieces = block_px is None and isinstance(plane, InPieces)
    pieces = cast(InPieces, plane).pieces() if in_pieces else cut(plane, block_px or BLOCK_PX)
    for piece in pieces:
        ledger.take(piece)
    ledger.end()
    maps = ledger.maps
    counted, black, grey, brown = maps.counts
    return Survey(
        sums=maps.sums,
        counted=counted,
        black=black,
        grey=grey,
        brown=brown,
        light=maps.light,
        relief=ledger.relief,
        haze=np.where(maps.haze == NO_HAZE, _NO_HAZE, maps.haze),
        least_rgb=maps.least,
        cell_colours=maps.colours,
        preview=ledger.preview,
        size_px=plane.size_px,
        mpp_xy=(float(plane.mpp_xy[0]), float(plane.mpp_xy[1])),
    )
