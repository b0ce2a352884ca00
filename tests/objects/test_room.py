"""Room that takes memory where it is used, and room that is kept for the next window."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from histoquant.objects.room import kept_room, leave_rooms, spare_room


def test_the_same_name_is_the_same_memory_until_it_is_left() -> None:
    leave_rooms()
    first = kept_room("one", 1000, np.uint32)
    first[:] = 7
    assert not kept_room("two", 1000, np.uint32).any()
    assert (kept_room("one", 1000, np.uint32) == 7).all()
    leave_rooms()
    assert not kept_room("one", 1000, np.uint32).any()
    assert (first == 7).all(), "who holds it keeps it"


@pytest.mark.parametrize("kind", [np.uint8, np.uint32, np.int64])
def test_room_is_as_large_as_asked_for(kind: type[np.generic]) -> None:
    leave_rooms()
    for count in (0, 1, 5, 4096, 100_000, 7):
        for room in (kept_room("any", count, kind), spare_room(count, kind)):
            assert (room.shape, room.dtype) == ((count,), kind)
            room[:] = kind(1)
            assert room.flags.c_contiguous


def test_threads_share_no_room() -> None:
    leave_rooms()
    kept_room("one", 10, np.uint8)[:] = 1
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(int(kept_room("one", 10, np.uint8).sum())))
    thread.start()
    thread.join()
    assert found == [0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_only_what_is_used_takes_memory() -> None:
    before = _resident_mib()
    room = spare_room(256 << 20, np.uint8)
    assert _resident_mib() - before < 64
    room[:: 1 << 12] = 1
    assert _resident_mib() - before > 192


def _resident_mib() -> float:
    status = Path("/proc/self/status").read_text().split("VmRSS:")[1]
    return int(status.split()[0]) / 1024
