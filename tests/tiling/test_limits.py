"""S12: a worker that hangs or takes too much memory is stopped, its task told why, and the next one runs."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.tiling.executors import open_executor
from histoquant.tiling.limits import WorkerDiedError, WorkerLimits, within

TASK_S = 5.0


def _hang() -> None:
    ctypes.PyDLL(None).sleep(600)  # holds Python's lock, as a decoder in an endless loop may


def _grow() -> None:
    held = []
    while True:
        held.append(np.ones(6_000_000))
        time.sleep(0.05)


def _take_at_once() -> int:
    return len(np.ones(500_000_000))


def _ask_opencv() -> None:
    cv2.resize(np.zeros((2, 2), np.uint8), (60_000, 60_000))


def _fine() -> int:
    return 3


def _outcomes(limits: WorkerLimits, *functions: Callable[[], object]) -> list[object]:
    """Cause of each death, or result, of one task after another on one worker."""
    found: list[object] = []
    with open_executor(1, None, limits) as executor:
        for function in functions:
            executor.submit(function.__name__, function)
            done = executor.next_done()
            found.append(done.error.cause if isinstance(done.error, WorkerDiedError) else done.result)
    return found


def test_a_worker_beyond_its_memory_is_stopped_and_the_next_task_runs():
    limits = WorkerLimits(memory_mb=1000, task_s=300.0)
    assert _outcomes(limits, _grow, _take_at_once, _ask_opencv, _fine) == ["MEMORY", "MEMORY", "MEMORY", 3]


def test_a_worker_beyond_its_time_is_stopped_and_the_next_task_runs():
    started_s = time.monotonic()
    assert _outcomes(WorkerLimits(memory_mb=0, task_s=TASK_S), _hang, _fine) == ["TIME", 3]
    assert time.monotonic() - started_s >= TASK_S


def test_memory_refused_in_this_process_is_told_alike():
    with open_executor(0, None) as executor:
        executor.submit("huge", np.ones, 1 << 50)
        error = executor.next_done().error
    assert isinstance(error, WorkerDiedError)
    assert (error.code, error.cause) == ("WORKER_MEMORY", "MEMORY")
    assert "too much memory" in error.happened


@pytest.mark.parametrize(
    ("memory_mb", "task_s"), [(999, 60.0), (-1, 60.0), (2000, 0.5), (2000, float("nan"))]
)
def test_limits_no_slide_could_keep_are_refused(memory_mb: int, task_s: float):
    with pytest.raises(UsageError, match="0 for no limit"):
        WorkerLimits(memory_mb, task_s)


def test_without_limits_a_task_is_a_call():
    before = resource_limit()
    assert within(WorkerLimits(0, 0), os.devnull, _fine) == 3
    assert resource_limit() == before


def resource_limit() -> tuple[int, int] | None:
    if not sys.platform.startswith("linux"):
        return None
    import resource

    return resource.getrlimit(resource.RLIMIT_DATA)
