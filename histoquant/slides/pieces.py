"""A plane in blocks that lie in memory one after the other: each pixel once, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

BLOCK_PX: Final = 256
PIECE_PX: Final = 1 << 18  # 0.8 MB: still in a core's own cache when it is looked at and written
_SIDES_PX: Final = (128, 512)  # of a reader's own blocks
_STEP_PX: Final = 16  # of maps


class Piece(NamedTuple):
    """Blocks side by side, until the next piece is asked for.

    Attributes
    ----------
    x, y : int
        Plane pixel of the first block's top-left corner, a multiple of its sides.
    rgb : ndarray of uint8, shape (n, h, w, 3)
        Each block contiguous; white where invalid, as all beyond the plane is.
    valid : ndarray of bool, shape (n, h, w), or None
        None where all of it is valid.
    """

    x: int
    y: int
    rgb: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_] | None


class Windows(Protocol):
    """A plane that is read in windows."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height in plane pixels."""
        ...

    def read(
        self, x: int, y: int, width: int, height: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Colours (h, w, 3) and validity (h, w) of a window; outside the plane invalid."""
        ...


def good_block(block_px: tuple[int, int]) -> bool:
    """Whether blocks of this width and height fit maps, and are neither many nor large."""
    least, most = _SIDES_PX
    return all(least <= side <= most and side % _STEP_PX == 0 for side in block_px)


def tiles_in_block(tile_px: tuple[int, int]) -> tuple[int, int]:
    """How many small tiles, across and down, make a block that fits maps, of at most 256 px."""
    across, down = (
        max((n for n in range(2, BLOCK_PX // side + 1) if n * side % _STEP_PX == 0), default=1)
        for side in tile_px
    )
    return across, down


def room_for_piece(block_px: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Place for as many blocks of this width and height as make a piece; uint8, shape (n, h, w, 3)."""
    width, height = block_px
    return np.empty((max(1, PIECE_PX // (width * height)), height, width, 3), np.uint8)


def cut(plane: Windows, side_px: int = BLOCK_PX) -> Iterator[Piece]:
    """Pieces of a plane that has no blocks of its own.

    Parameters
    ----------
    plane : Windows
    side_px : int
        Of a block.
    """
    room = room_for_piece((side_px, side_px))
    length = len(room) * side_px
    width, height = plane.size_px
    for y in range(0, height, side_px):
        for x in range(0, width, length):
            number = -(-min(length, width - x) // side_px)
            rgb, valid = plane.read(x, y, number * side_px, side_px)
            room[:number] = rgb.reshape(side_px, number, side_px, 3).swapaxes(0, 1)
            whole = valid.all()
            shown = np.ascontiguousarray(valid.reshape(side_px, number, side_px).swapaxes(0, 1))
            yield Piece(x, y, room[:number], None if whole else shown)
