"""A bounded, thread-safe store of decoded tiles, so that a halo read again is not decoded again."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
import numpy.typing as npt

Tile = tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None] | None
"""RGB and validity (None: all valid); None for a tile the file does not hold."""


class TileCache:
    """Decoded tiles, least recently used first out.

    Parameters
    ----------
    limit_bytes : int
        Bytes kept; the newest tile stays even when it alone is larger.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._overflowed = False
        self._tiles: OrderedDict[tuple[int, ...], Tile] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[int, ...]) -> tuple[bool, Tile]:
        """Whether the tile is there, and the tile."""
        with self._lock:
            if key not in self._tiles:
                return False, None
            self._tiles.move_to_end(key)
            return True, self._tiles[key]

    def put(self, key: tuple[int, ...], tile: Tile) -> None:
        """Keep a tile."""
        with self._lock:
            if key in self._tiles:
                return
            self._tiles[key] = tile
            self._bytes += _size(tile)
            while self._bytes > self._limit and len(self._tiles) > 1:
                self._overflowed = True
                self._bytes -= _size(self._tiles.popitem(last=False)[1])

    def drop_rest(self) -> None:
        """Drop all tiles, unless none was dropped before: then they are the whole slide."""
        if self._overflowed:
            self.clear()

    def clear(self) -> None:
        """Drop all tiles."""
        with self._lock:
            self._tiles.clear()
            self._bytes = 0


def _size(tile: Tile) -> int:
    if tile is None:
        return 0
    rgb, valid = tile
    return rgb.nbytes + (0 if valid is None else valid.nbytes)
