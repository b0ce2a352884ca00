"""Room for the most that could be, of which only what is used takes memory."""

from __future__ import annotations

import mmap
import threading
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt


class _Kept(threading.local):
    """Rooms of one thread, by name."""

    def __init__(self) -> None:
        self.rooms: dict[str, mmap.mmap] = {}


_kept = _Kept()


def spare_room(count: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros, of which a page takes memory once it is written to.

    Of a freed block of the heap, all would take memory: pages that something else has used.

    Parameters
    ----------
    count : int
        Numbers.
    kind : dtype
        Of each.

    Returns
    -------
    ndarray, shape (count,)
    """
    return np.frombuffer(_pages(count * np.dtype(kind).itemsize), kind, count)


def kept_room(name: str, count: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Room that this thread was given under the same name before, with what it holds, where it is enough.

    For what is filled from its beginning, window after window: its pages need not be cleared again, and a
    block as large leaves no gap in the heap.

    Parameters
    ----------
    name : str
        What it is for. Whoever asks again writes over what was there.
    count : int
        Numbers.
    kind : dtype
        Of each.

    Returns
    -------
    ndarray, shape (count,)
    """
    size = count * np.dtype(kind).itemsize
    held = _kept.rooms.get(name)
    if held is None or len(held) < size:
        # a power of two, so that larger and larger windows do not each begin anew
        held = _kept.rooms[name] = _pages(1 << (size - 1).bit_length() if size > 1 else 1)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # of a system without such pages
                held.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(held, kind, count)


def leave_rooms() -> None:
    """Forget what this thread has kept; its memory is the system's when nobody looks at it any more."""
    _kept.rooms.clear()


def _pages(size: int) -> mmap.mmap:
    return mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
