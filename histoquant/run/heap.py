"""Memory that one tile has freed is kept for the next: fresh pages cost a tile up to a fifth of its time."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import pyarrow as pa

from histoquant.objects.room import leave_rooms

# Parameters of glibc's mallopt(3) with what they are set to: no block from mmap, which would be given back
# when freed; nothing given back from the heap's end; and one heap for all threads, because those of
# further threads are too small for the planes of a tile.
_KEPT: Final = ((-4, 0), (-1, 2**31 - 1), (-8, 1))
# Much as glibc comes to have it by itself: blocks beyond 16 MiB from mmap (32 there), 64 kept at the heap's
# end. A column of two million cells is such a block, a mask of a picture is not.
_GIVEN_BACK: Final = ((-4, 65536), (-3, 16 << 20), (-1, 64 << 20))
_MANY_CELLS: Final = 1 << 17
# Pages that were given back must be cleared again. Up to so many pixels of the working plane (3 mm2) plan and
# commit find room in what tiles have freed; up to so many (18 mm2) they do once tiles' kept rooms are left;
# up to so many (32 mm2) maps leave no gaps that matter.
_SMALL_SLIDE_PX: Final = 12_000_000
_LARGE_SLIDE_PX: Final = 72_000_000
_SMALL_MAPS_PX: Final = 128_000_000
_MAPS_GIVEN_BACK: Final = ((-3, 1 << 20),)
_MUCH_CODE: Final = 1 << 20
_DONTNEED: Final = 4  # of madvise(2)


def keep_freed_memory() -> bool:
    """Let this process keep what it frees.

    Planes of a tile are tens of megabytes. The allocator of Linux returns blocks of this size to the system
    at once, which clears every page of the next one. A worker needs them again with every tile. Its peak
    grows by up to a tenth, because blocks of several sizes share one heap.

    Returns
    -------
    bool
        Whether the allocator could be told; False where it is not glibc's.
    """
    return _told(_KEPT)


def give_back_freed_memory() -> bool:
    """Return what this process has freed to the system, and let it do so until it is told to keep it.

    For a task whose large blocks are not a tile's: a slide's maps, tables and pictures. They would come on
    top of the tiles' empty ones, and being of many sizes leave gaps of their own, which on a slide of
    100,000 x 80,000 px were 0.4 GB.

    Returns
    -------
    bool
        As of `keep_freed_memory`.
    """
    _leave_what_is_apart()
    return _told(_GIVEN_BACK) and trim()


def _leave_what_is_apart() -> None:
    """Return what lies outside the heap, where nothing but its owner could use it."""
    pa.default_memory_pool().release_unused()
    leave_rooms()
    _forget_code()


def make_room_for_slide(size_px: tuple[int, int]) -> None:
    """Return what is free where a slide is large, as `give_back_freed_memory` does; others use the heap's.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of its working plane.
    """
    if size_px[0] * size_px[1] > _LARGE_SLIDE_PX:
        give_back_freed_memory()
    elif size_px[0] * size_px[1] > _SMALL_SLIDE_PX:
        _leave_what_is_apart()


def make_room(cells: int) -> None:
    """Return what is free just now where a slide has many cells, whose columns are large blocks.

    Of fewer, the next step uses what the last one has freed.

    Parameters
    ----------
    cells : int
        Cells of the slide.
    """
    if cells > _MANY_CELLS:
        give_back_freed_memory()


def give_back_maps(size_px: tuple[int, int]) -> None:
    """Return what is free, and from here on every block of a mebibyte as soon as it is freed.

    For maps of large slides, of which many come and go; they left gaps of 0.1 GB on 400 mm2.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of the working plane.
    """
    if size_px[0] * size_px[1] > _SMALL_MAPS_PX:
        _told(_MAPS_GIVEN_BACK)
        trim()


def trim_maps(size_px: tuple[int, int]) -> None:
    """Return what is free just now, where a working plane of this width and height has large maps."""
    if size_px[0] * size_px[1] > _SMALL_MAPS_PX:
        trim()


def trim() -> bool:
    """Return what is free just now to the system, whatever becomes of what is freed later.

    Returns
    -------
    bool
        As of `keep_freed_memory`.
    """
    library = _glibc()
    return library is not None and library.malloc_trim(0) in {0, 1}


def _forget_code() -> None:
    """Leave the code of libraries to the system: 50 MB of the compiler's, 70 of all others.

    Pages of a file that nobody has written to are there again as soon as they are needed: 20 MB in a tile.
    """
    library = _glibc()
    if library is not None and hasattr(library, "madvise"):
        for start, length in _code(len(sys.modules)):
            library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _DONTNEED)


@cache
def _code(modules: int) -> list[tuple[int, int]]:
    """Where libraries have much code, with so many modules loaded: start and length."""
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            if " r-xp " in line and ".so" in line:
                start, end = (int(edge, 16) for edge in line.split(maxsplit=1)[0].split("-"))
                found.append((start, end - start))
    return [(start, length) for start, length in found if length >= _MUCH_CODE]


def _told(parameters: tuple[tuple[int, int], ...]) -> bool:
    library = _glibc()
    return library is not None and all(library.mallopt(name, value) == 1 for name, value in parameters)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
