"""Pyramids written band by band: every level from the one below it, in one pass over the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]
LEAST_PX = 512
"""A level whose longer side is no more than this needs no smaller one."""


def level_sizes(size_px: tuple[int, int]) -> list[tuple[int, int]]:
    """Width and height of each level, halved (rounded up) until the longer side is at most 512."""
    sizes = [size_px]
    while max(sizes[-1]) > LEAST_PX:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def band_rows(chunk_px: int, levels: int) -> int:
    """Rows per band, so that every level's part of a band is whole rows."""
    return max(chunk_px, 1 << (levels - 1))


def levelled(
    bands: Iterator[Image], levels: int, halve: Callable[[Image], Image]
) -> Iterator[tuple[int, int, Image]]:
    """Bands of level 0 with what follows from them at each other level.

    Parameters
    ----------
    bands : iterator of ndarray
        Of equal height, a multiple of ``2 ** (levels - 1)``, but for the last.
    levels : int
    halve : callable
        Halves an image, its size rounded up.

    Yields
    ------
    level : int
    row : int
        First row of the part in its level.
    part : ndarray
    """
    row = 0
    for band in bands:
        part, first = band, row
        for level in range(levels):
            yield level, first, part
            part, first = halve(part), first // 2
        row += band.shape[0]


def half_rgb(rgb: Image) -> Image:
    """Mean of 2 x 2 pixels, rounded; at an odd edge of what is there."""
    padded = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge").astype(
        np.uint16
    )
    total = padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)
