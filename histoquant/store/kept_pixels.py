"""Pixels of a slide's working plane, kept on disk from its plan to its commit so that they are decoded once.

No result depends on them. What is not there, cut short or altered is decoded again: every block is proven by
a sum over its bytes and its place when it is first read, and the list of blocks by its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from histoquant.store.atomic import shut_to_others
from histoquant.store.pixel_blocks import copy_blocks, sums_of

Window = tuple[NDArray[np.uint8], NDArray[np.bool_]]
Place = tuple[int, int, int, int]

_DIGEST_BYTES: Final = 32
# Decoding makes 180 to 600 MB/s: a disk that takes less gives back less than it costs.
_LEAST_BYTES_PER_S: Final = 150e6
_TRIED_BYTES: Final = 64 << 20  # written before a disk is called slow
_BUFFER_BYTES: Final = 3 << 20  # blocks read at once
_HELD_BYTES: Final = 48 << 20  # of a slide of 16 Mpx, read by the plan that wrote it
_ABSENT: Final = -1


class Blocks(Protocol):
    """Blocks of a plane, side by side."""

    @property
    def x(self) -> int:
        """Plane pixel where the first begins, a multiple of a block's width."""

    @property
    def y(self) -> int:
        """Likewise of its height."""

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """Colours, uint8 (n, h, w, 3), C-contiguous."""

    @property
    def valid(self) -> NDArray[np.bool_] | None:
        """Validity, bool (n, h, w); None where all are valid."""


class KeptPixels:
    """Blocks of a plane in a file of one folder, which only the host that wrote it looks for.

    Made by `begin` or `find`.

    Parameters
    ----------
    stem : Path
        The files without their suffixes.
    size_px : tuple of int
        Width and height of the plane.
    block_px : tuple of int
        Width and height of a block.
    handle : int
        Of the open file; closed with this object.
    """

    def __init__(self, stem: Path, size_px: tuple[int, int], block_px: tuple[int, int], handle: int) -> None:
        self._stem, self.size_px, self._block_px, self._handle = stem, size_px, block_px, handle
        self._close = weakref.finalize(self, os.close, handle)
        columns, rows = (-(-side // block) for side, block in zip(size_px, block_px, strict=True))
        # of each block its number in the file, its sum, and whether it was the same when it was read last
        self._numbers = np.full((rows, columns), _ABSENT, np.int32)
        self._sums = np.zeros((rows, columns), np.uint64)
        self._proven = np.zeros((rows, columns), np.bool_)
        self._room, self._written, self._spent_s = 0, 0, 0.0
        self._holds = False
        self._block_bytes = 3 * block_px[0] * block_px[1]
        self._make_room(max(1, _BUFFER_BYTES // self._block_bytes))

    @classmethod
    def begin(
        cls, folder: Path, size_px: tuple[int, int], block_px: tuple[int, int], most_bytes: int
    ) -> KeptPixels | None:
        """Begin to keep a plane, in place of what an earlier attempt left.

        Parameters
        ----------
        folder : Path
        size_px : tuple of int
            Width and height of the plane.
        block_px : tuple of int
            Width and height of a block, multiples of 16.
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
        kept = cls(stem, size_px, block_px, handle)
        shut_to_others(handle)
        kept._room = most_bytes // kept._block_bytes
        if kept._block_bytes * kept._numbers.size <= _HELD_BYTES:
            # samples of a small slide are most of it, twice, and each touches nine blocks
            kept._holds = True
            kept._make_room(kept._numbers.size)
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
        digest, block_px, table = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:][:8], data[_DIGEST_BYTES + 8 :]
        if hashlib.sha256(block_px + table).digest() != digest:
            os.close(handle)
            return None
        width, height = np.frombuffer(block_px, np.uint32).tolist()
        kept = cls(_stem(folder), size_px, (width, height), handle)
        if len(table) != 2 * kept._sums.nbytes:
            return None
        numbers, sums = np.frombuffer(table, np.uint64).reshape(2, *kept._sums.shape)
        kept._numbers, kept._sums = numbers.astype(np.int32), sums
        return kept

    def keep(self, blocks: Blocks) -> None:
        """Keep those of some blocks that are valid wherever the plane is, as far as there is room.

        Parameters
        ----------
        blocks : Blocks
        """
        (width, height), rgb = self._block_px, blocks.rgb
        column, row = blocks.x // width, blocks.y // height
        runs = [(0, len(rgb))]
        if blocks.valid is not None:
            right, bottom = self.size_px[0] - blocks.x, self.size_px[1] - blocks.y
            whole = [valid[:bottom, : right - k * width].all() for k, valid in enumerate(blocks.valid)]
            runs = _runs(np.array(whole))
        for first, stop in runs:
            room = max(self._room - self._written, 0)
            self._write(row, column + first, rgb[first : min(stop, first + room)])

    def seal(self) -> None:
        """Write the list of what was kept, without which nothing of it is found."""
        numbers = np.stack([self._numbers.astype(np.uint64), self._sums])
        table = np.array(self._block_px, np.uint32).tobytes() + numbers.tobytes()
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
        block_w, block_h = self._block_px
        rows = range(top // block_h, -(-bottom // block_h))
        columns = range(left // block_w, -(-right // block_w))
        known = self._numbers[rows.start : rows.stop, columns.start : columns.stop] != _ABSENT
        if left >= right or top >= bottom or 2 * np.count_nonzero(known) <= known.size:
            return None
        rgb, valid = np.empty((height, width, 3), np.uint8), np.ones((height, width), np.bool_)
        if (left, top, right, bottom) != (x, y, x + width, y + height):
            rgb[:], valid[:] = 255, False
            valid[top - y : bottom - y, left - x : right - x] = True
        missing = []
        for row in rows:
            y0, y1 = max(top, row * block_h), min(bottom, (row + 1) * block_h)
            lines = y0 - row * block_h, y1 - row * block_h
            for first, stop in self._reads(row, columns):
                whole, blocks = self._fetch(row, first, stop), self._lines[self._slot(row, first) :]
                place = y0 - y, 3 * (first * block_w - x), 3 * (right - x)
                copy_blocks(blocks, whole, lines, place, rgb.reshape(height, -1))
                for k in np.flatnonzero(~whole).tolist():
                    x0, x1 = max(left, (first + k) * block_w), min(right, (first + k + 1) * block_w)
                    missing.append((x0, y0, x1 - x0, y1 - y0))
        return (rgb, valid), missing

    def _reads(self, row: int, columns: range) -> Iterator[tuple[int, int]]:
        """Blocks of a row that lie one after the other in the file, as many as the buffer holds."""
        numbers, first = self._numbers[row], columns.start
        for column in range(columns.start + 1, columns.stop + 1):
            ends = column == columns.stop or column - first == len(self._lines)
            if ends or numbers[column] != numbers[column - 1] + 1 or numbers[first] == _ABSENT:
                yield first, column
                first = column

    def _make_room(self, blocks: int) -> None:
        """Buffer for blocks, line by line."""
        width, height = self._block_px
        self._lines = np.empty((blocks, height, 3 * width), np.uint8)

    def _slot(self, row: int, column: int) -> int:
        """Place in the buffer of a block that is read, and of those after it."""
        return max(int(self._numbers[row, column]), 0) if self._holds else 0

    def _fetch(self, row: int, first: int, stop: int) -> NDArray[np.bool_]:
        """Read blocks into the buffer; which of them are as they were written."""
        number, proven = int(self._numbers[row, first]), self._proven[row, first:stop]
        if number == _ABSENT:
            return np.zeros(1, np.bool_)
        if self._holds and proven.all():
            return proven
        blocks = self._lines[self._slot(row, first) :][: stop - first]
        proven[:] = False
        try:
            # what a short read leaves of another block has another sum
            os.preadv(self._handle, [blocks.data], number * self._block_bytes)
        except OSError:
            return proven
        sums = sums_of(blocks.reshape(len(blocks), -1), np.uint64(number))
        proven[:] = sums == self._sums[row, first:stop]
        return proven

    def _write(self, row: int, column: int, blocks: NDArray[np.uint8]) -> None:
        if not len(blocks):
            return
        start = time.perf_counter()
        try:
            done = os.pwrite(self._handle, blocks.data, self._written * self._block_bytes)
        except OSError:
            done = 0
        self._spent_s += time.perf_counter() - start
        if done != blocks.nbytes or self._slow:
            self._give_up()
            return
        here, stop = np.s_[row, column : column + len(blocks)], self._written + len(blocks)
        self._numbers[here] = range(self._written, stop)
        if self._holds:
            self._lines[self._written : stop] = blocks.reshape(len(blocks), *self._lines.shape[1:])
            self._proven[here] = True
        self._sums[here] = sums_of(blocks.reshape(len(blocks), -1), np.uint64(self._written))
        self._written += len(blocks)

    @property
    def _slow(self) -> bool:
        written = self._written * self._block_bytes
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


def _stem(folder: Path) -> Path:
    return folder / f"pixels.{socket.gethostname()}"


def _files(stem: Path) -> tuple[Path, Path]:
    """Pixels and the list of them."""
    return stem.with_name(f"{stem.name}.rgb"), stem.with_name(f"{stem.name}.index")


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past the last of each run of what is flagged."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]
