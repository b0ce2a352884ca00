"""A colour mixed into a picture under a mask: compiled, and loaded only where something is painted."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_BLOCK_PX: Final = 64  # pixels that are passed over at once where the mask has none; a multiple of 8


def mix(image: Bytes, mask: Bytes, color: tuple[int, int, int], alpha: float) -> None:
    """Put in place of every pixel ``old + (color - old) * weight``, rounded; reckoned in single precision.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3), contiguous
        Changed in place.
    mask : ndarray of uint8, shape (h, w), contiguous
        Weights in 1/255 of ``alpha``.
    color : tuple of int
    alpha : float
        0 to 1.

    Raises
    ------
    ValueError
        If the picture is a cut-out of another one: what is mixed would go into a copy.
    """
    rows, paint, share = as_mixed(image, color, alpha)
    _mix(rows, mask, paint, share)


def as_mixed(image: Bytes, color: tuple[int, int, int], alpha: float) -> tuple[Bytes, Floats, np.float32]:
    """What `mix_row` takes: the rows of a picture, the colour of a block, and the share of 1/255.

    Raises
    ------
    ValueError
        If the picture is a cut-out of another one: what is mixed would go into a copy.
    """
    if not image.flags.c_contiguous:
        raise ValueError("a colour is mixed into a contiguous picture, not into a cut-out of another one")
    paint = np.tile(np.asarray(color, np.float32), _BLOCK_PX)
    return image.reshape(len(image), -1), paint, np.float32(alpha / 255.0)


@njit(cache=True, nogil=True)
def _mix(rows: Bytes, mask: Bytes, paint: Floats, share: np.float32) -> None:
    shares = np.empty(paint.size, np.float32)
    for y in range(len(mask)):
        mix_row(rows[y], mask[y], paint, share, shares)


@njit(cache=True, nogil=True)
def mix_row(pixels: Bytes, weights: Bytes, paint: Floats, share: np.float32, shares: Floats) -> None:
    """Mix a colour into a row; ``shares`` is room of the size of ``paint``."""
    blocks = len(weights) // _BLOCK_PX
    words = weights[: blocks * _BLOCK_PX].view(np.uint64)
    for block in range(blocks):
        first, end = block * _BLOCK_PX, (block + 1) * _BLOCK_PX
        some = np.uint64(0)
        for word in range(first // 8, end // 8):
            some |= words[word]
        if some:
            _mix_block(pixels[3 * first : 3 * end], weights[first:end], paint, share, shares)
    rest = blocks * _BLOCK_PX
    _mix_block(pixels[3 * rest :], weights[rest:], paint, share, shares)


@njit(cache=True, nogil=True, inline="always")
def _mix_block(
    pixels: Bytes,
    weights: Bytes,
    paint: Floats,
    share: np.float32,
    shares: Floats,
) -> None:
    """All of a block, whatever its weights: vectors take less time than to ask each pixel."""
    for x in range(len(weights)):
        of_pixel = np.float32(weights[x]) * share
        for channel in range(3):
            shares[3 * x + channel] = of_pixel
    for k in range(3 * len(weights)):
        old = np.float32(pixels[k])
        pixels[k] = np.uint8(np.rint(old + (paint[k] - old) * shares[k]))
