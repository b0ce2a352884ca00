"""Memory that one tile has freed is kept for the next: fresh pages cost a tile up to a fifth of its time."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Final

# Parameters of glibc's mallopt(3) with what they are set to: no block from mmap, which would be given back
# when freed; nothing given back from the heap's end; and one heap for all threads, because those of
# further threads are too small for the planes of a tile.
_KEPT: Final = ((-4, 0), (-1, 2**31 - 1), (-8, 1))


@cache
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
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    return all(library.mallopt(name, value) == 1 for name, value in _KEPT)


def give_back_freed_memory() -> None:
    """Return what this process has freed to the system, before a task whose large blocks are not a tile's.

    They would come on top of the tiles' empty ones: a slide's tables and pictures take as much.
    """
    if keep_freed_memory():
        ctypes.CDLL(None).malloc_trim(0)
