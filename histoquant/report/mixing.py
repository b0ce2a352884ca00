"""A colour mixed into a picture through a table: compiled, and loaded only where something is painted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

_BLANK_PX = 8  # pixels that are passed over at once where the mask has none


def mixed_tables(color: tuple[int, int, int], alpha: float) -> npt.NDArray[np.uint8]:
    """What every value of a channel becomes under every weight; shape (3, 256 weights, 256 values)."""
    share = np.arange(256, dtype=np.float32)[:, None] * np.float32(alpha / 255.0)
    old = np.arange(256, dtype=np.float32)
    paint = np.asarray(color, np.float32)[:, None, None]
    return np.asarray(np.rint(old + (paint - old) * share), np.uint8)


@njit(cache=True, nogil=True)
def mix(image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8], tables: npt.NDArray[np.uint8]) -> None:
    """Put in place of every pixel under the mask what the tables say.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
        Changed in place.
    mask : ndarray of uint8, shape (h, w)
        Weights; rows in one piece.
    tables : ndarray of uint8, shape (3, 256, 256)
    """
    width = mask.shape[1]
    whole = width // _BLANK_PX
    for y in range(mask.shape[0]):
        weights, pixels = mask[y], image[y]
        words = weights[: whole * _BLANK_PX].view(np.uint64)
        for word in range(whole):
            if words[word]:
                for x in range(word * _BLANK_PX, (word + 1) * _BLANK_PX):
                    _mix_one(pixels[x], weights[x], tables)
        for x in range(whole * _BLANK_PX, width):
            _mix_one(pixels[x], weights[x], tables)


@njit(cache=True, nogil=True, inline="always")
def _mix_one(pixel: npt.NDArray[np.uint8], weight: np.uint8, tables: npt.NDArray[np.uint8]) -> None:
    if weight:
        for channel in range(3):
            pixel[channel] = tables[channel, weight, pixel[channel]]
