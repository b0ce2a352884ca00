"""Pixels of a slide's working plane, kept on disk from its plan to its commit so that they are decoded once.

No result depends on them. What is not there, cut short or altered is decoded again: every block of 256 px is
proven by a sum over its bytes and its place, and the list of blocks by its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
import weakref
from pathlib import Path
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.store.atomic import shut_to_others

Window = tuple[NDArray[np.uint8], NDArray[np.bool_]]
Place = tuple[int, int, int, int]

BLOCK_PX: Final = 256
_BLOCK_BYTES: Final = 3 * BLOCK_PX * BLOCK_PX
_DIGEST_BYTES: Final = 32
# Decoding makes 180 to 600 MB/s: a disk that takes less gives back less than it costs.
_LEAST_BYTES_PER_S: Final = 150e6
_TRIED_BYTES: Final = 64 << 20  # written before a disk is called slow
_ABSENT: Final = -1


class KeptPixels:
    """Blocks of a plane in a file of one folder, which only the host that wrote it looks for.

    Made by `begin` or `find`.

    Parameters
    ----------
    stem : Path
        The files without their suffixes.
    size_px : tuple of int
        Width and height of the plane.
    handle : int
        Of the open file; closed with this object.
    """

    def __init__(self, stem: Path, size_px: tuple[int, int], handle: int) -> None:
        self._stem, self.size_px, self._handle = stem, size_px, handle
        self._close = weakref.finalize(self, os.close, handle)
        columns, rows = (-(-side // BLOCK_PX) for side in size_px)
        # of each block its number in the file, and its sum
        self._numbers = np.full((rows, columns), _ABSENT, np.int32)
        self._sums = np.zeros((rows, columns), np.uint64)
        self._room, self._written, self._spent_s = 0, 0, 0.0
        self._buffer = np.empty(_BLOCK_BYTES, np.uint8)

    @classmethod
    def begin(cls, folder: Path, size_px: tuple[int, int], most_bytes: int) -> KeptPixels | None:
        """Begin to keep a plane, in place of what an earlier attempt left.

        Parameters
        ----------
        folder : Path
        size_px : tuple of int
            Width and height of the plane.
        most_bytes : int
            What the file may take; blocks beyond are not kept.

        Returns
        -------
        KeptPixels or None
            None where the disk refuses.
        """
        stem = _stem(folder)
        try:
            for path in _files(stem):
                path.unlink(missing_ok=True)
            handle = os.open(_files(stem)[0], os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o664)
        except OSError:
            return None
        kept = cls(stem, size_px, handle)
        shut_to_others(handle)
        kept._room = most_bytes // _BLOCK_BYTES
        return kept

    @classmethod
    def find(cls, folder: Path, size_px: tuple[int, int]) -> KeptPixels | None:
        """What was kept of a plane of this size on this host; None where there is nothing whole."""
        pixels, index = _files(_stem(folder))
        try:
            data = index.read_bytes()
            handle = os.open(pixels, os.O_RDONLY)
        except OSError:
            return None
        kept = cls(_stem(folder), size_px, handle)
        return kept if kept._took_index(data) else None

    def keep(self, x: int, y: int, window: Window) -> None:
        """Keep the blocks that a window shows whole and valid, as far as there is room.

        Parameters
        ----------
        x, y : int
            Plane pixel of its top-left corner; may lie outside.
        window : tuple of ndarray
            Colours, uint8 (h, w, 3), and validity, bool (h, w).
        """
        rgb, valid = window
        width, height = self.size_px
        for row in range(max(0, -(-y // BLOCK_PX)), self._numbers.shape[0]):
            top, bottom = row * BLOCK_PX - y, min((row + 1) * BLOCK_PX, height) - y
            if bottom > len(rgb):
                return
            for column in range(max(0, -(-x // BLOCK_PX)), self._numbers.shape[1]):
                left, right = column * BLOCK_PX - x, min((column + 1) * BLOCK_PX, width) - x
                if right > rgb.shape[1]:
                    break
                if self._numbers[row, column] == _ABSENT and valid[top:bottom, left:right].all():
                    self._write(row, column, rgb[top:bottom, left:right])

    def seal(self) -> None:
        """Write the list of what was kept, without which nothing of it is found."""
        table = np.stack([self._numbers.astype(np.uint64), self._sums]).tobytes()
        try:
            _files(self._stem)[1].write_bytes(hashlib.sha256(table).digest() + table)
        except OSError:
            self._give_up()

    def read(self, x: int, y: int, width: int, height: int) -> tuple[Window, list[Place]] | None:
        """Read a window of the plane.

        Parameters
        ----------
        x, y : int
            Plane pixel of its top-left corner; may lie outside.
        width, height : int
            Size in plane pixels.

        Returns
        -------
        window : tuple of ndarray
            Colours, white outside the plane, and validity.
        missing : list of tuple of int
            Plane x, y, width and height of parts that were not kept or are not proven.

        None stands for both where half of the window or more was not kept.
        """
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, self.size_px[0]), min(y + height, self.size_px[1])
        rows = range(top // BLOCK_PX, -(-bottom // BLOCK_PX))
        columns = range(left // BLOCK_PX, -(-right // BLOCK_PX))
        known = self._numbers[rows.start : rows.stop, columns.start : columns.stop] != _ABSENT
        if left >= right or top >= bottom or 2 * np.count_nonzero(known) <= known.size:
            return None
        rgb, valid = np.empty((height, width, 3), np.uint8), np.ones((height, width), np.bool_)
        if (left, top, right, bottom) != (x, y, x + width, y + height):
            rgb[:], valid[:] = 255, False
            valid[top - y : bottom - y, left - x : right - x] = True
        missing = []
        for row in rows:
            y0, y1 = max(top, row * BLOCK_PX), min(bottom, (row + 1) * BLOCK_PX)
            for column in columns:
                x0, x1 = max(left, column * BLOCK_PX), min(right, (column + 1) * BLOCK_PX)
                block = self._block(row, column)
                if block is None:
                    missing.append((x0, y0, x1 - x0, y1 - y0))
                    continue
                down = slice(y0 - row * BLOCK_PX, y1 - row * BLOCK_PX)
                across = slice(x0 - column * BLOCK_PX, x1 - column * BLOCK_PX)
                rgb[y0 - y : y1 - y, x0 - x : x1 - x] = block[down, across]
        return (rgb, valid), missing

    def _took_index(self, data: bytes) -> bool:
        """Take over a list of blocks; False where it is not whole, or of another plane."""
        digest, table = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(table).digest() != digest or len(table) != 2 * self._sums.nbytes:
            return False
        numbers, sums = np.frombuffer(table, np.uint64).reshape(2, *self._sums.shape)
        self._numbers, self._sums = numbers.astype(np.int32), sums
        return True

    def _shape(self, row: int, column: int) -> tuple[int, int, int]:
        width, height = self.size_px
        return min(BLOCK_PX, height - row * BLOCK_PX), min(BLOCK_PX, width - column * BLOCK_PX), 3

    def _write(self, row: int, column: int, rgb: NDArray[np.uint8]) -> None:
        if self._written >= self._room:
            return
        block = self._buffer[: rgb.size]
        block.reshape(rgb.shape)[:] = rgb
        start = time.perf_counter()
        try:
            done = os.pwrite(self._handle, block.data, self._written * _BLOCK_BYTES)
        except OSError:
            done = 0
        self._spent_s += time.perf_counter() - start
        if done != block.size or self._slow:
            self._give_up()
            return
        self._numbers[row, column] = self._written
        self._sums[row, column] = _sum_of(block, np.uint64(self._written))
        self._written += 1

    @property
    def _slow(self) -> bool:
        written = self._written * _BLOCK_BYTES
        return written > _TRIED_BYTES and written < _LEAST_BYTES_PER_S * self._spent_s

    def _give_up(self) -> None:
        """Keep nothing: the disk is full, failing or slower than a decoder."""
        self._room = 0
        self._numbers[:] = _ABSENT
        for path in _files(self._stem):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                continue

    def _block(self, row: int, column: int) -> NDArray[np.uint8] | None:
        """A block until the next is asked for; None where it is not there as it was written."""
        shape, number = self._shape(row, column), int(self._numbers[row, column])
        if number == _ABSENT:
            return None
        block = self._buffer[: shape[0] * shape[1] * 3]
        try:
            read = os.preadv(self._handle, [block.data], number * _BLOCK_BYTES)
        except OSError:
            return None
        if read != block.size or _sum_of(block, np.uint64(number)) != self._sums[row, column]:
            return None
        return block.reshape(shape)


def _stem(folder: Path) -> Path:
    return folder / f"pixels.{socket.gethostname()}"


def _files(stem: Path) -> tuple[Path, Path]:
    """Pixels and the list of them."""
    return stem.with_name(f"{stem.name}.rgb"), stem.with_name(f"{stem.name}.index")


@njit(cache=True, nogil=True)
def _sum_of(block, number):  # type: ignore[no-untyped-def]
    """Sum of a block's 64-bit words and last bytes, each times an odd number of its own."""
    words = block[: block.size // 8 * 8].view(np.uint64)
    total = np.uint64(block.size) + (number << np.uint64(32))
    weight = np.uint64(1)
    for word in words:
        total += (word ^ np.uint64(0x9E3779B97F4A7C15)) * weight
        weight += np.uint64(2)
    for byte in block[block.size // 8 * 8 :]:
        total += np.uint64(byte) * weight
        weight += np.uint64(2)
    return total
