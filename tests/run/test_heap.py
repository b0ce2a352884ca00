from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from histoquant.run import heap

# pages that a block of 48 MB, more than the allocator keeps by itself, needs the second time
PAGES = """
import resource, sys
import numpy as np
from histoquant.run.heap import give_back_freed_memory, keep_freed_memory
def use():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty((12, 1024, 1024), np.float32).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
kept = keep_freed_memory() if sys.argv[1] != "leave" else None
use()
if sys.argv[1] == "give back":
    kept = give_back_freed_memory()
print(kept, min(use(), use()))
"""


def _pages(how: str) -> tuple[str, int]:
    # numpy asks for pages of 2 MB, and gets them or not: without them the count does not hang on the machine
    small_pages = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PAGES, how], capture_output=True, text=True, check=True, env=small_pages
    )
    kept, pages = done.stdout.split()
    return kept, int(pages)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="needs glibc"
)
def test_a_second_block_lies_where_the_first_one_lay() -> None:
    as_delivered, (kept, pages) = _pages("leave")[1], _pages("keep")
    assert kept == "True"
    assert pages < 4 < as_delivered
    given_back, pages = _pages("give back")
    assert given_back == "True"
    assert pages >= as_delivered // 2


CODE = """
from pathlib import Path
import numpy as np
from numba import njit
from histoquant.run.heap import give_back_freed_memory
def resident():
    kib = 0
    for mapped in Path("/proc/self/smaps").read_text().split("VmFlags"):
        if "libllvmlite" in mapped and " r-xp " in mapped:
            kib += int(mapped.split("Rss:")[1].split()[0])
    return kib
njit(lambda x: x + 1)(1)
give_back_freed_memory()
first = resident()
njit(lambda x: x * 2)(1)
print(first, resident(), njit(lambda x: x - 1)(3))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_code_of_the_compiler_leaves_and_comes_back() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    left, compiling, found = map(int, done.stdout.split())
    assert left < 1000 < compiling
    assert found == 2


@pytest.mark.parametrize(
    ("size_px", "slide", "maps"),
    [
        ((3072, 3072), [], 0),
        ((4096, 4096), ["apart"], 0),
        ((8192, 8192), ["apart"], 0),
        ((9000, 9000), ["all"], 0),
        ((16384, 16384), ["all"], 1),
        ((100, 1 << 22), ["all"], 1),
    ],
)
def test_only_a_large_slide_gives_memory_back(
    monkeypatch: pytest.MonkeyPatch, size_px: tuple[int, int], slide: list[str], maps: int
) -> None:
    gave: list[str] = []
    monkeypatch.setattr(heap, "_leave_what_is_apart", lambda: gave.append("apart"))
    monkeypatch.setattr(heap, "give_back_freed_memory", lambda: gave.append("all"))
    monkeypatch.setattr(heap, "trim", lambda: gave.append("free"))
    monkeypatch.setattr(heap, "_told", lambda parameters: gave.append("told"))
    heap.make_room_for_slide(size_px)
    assert gave == slide
    gave.clear()
    heap.trim_maps(size_px)
    assert gave == ["free"] * maps
    gave.clear()
    heap.give_back_maps(size_px)
    assert gave == ["told", "free"] * maps
