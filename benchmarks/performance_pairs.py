"""What two processes that share nothing but the machine reach together, as a multiple of one."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from performance_peers import decode_all
from performance_stages import job_of, whole_slide

_FLOATS = 40_000_000


def decoding_s(slide: Path) -> float:
    """Wall seconds of decoding the slide's tiles ten times."""
    start = time.perf_counter()
    for _ in range(10):
        decode_all(slide)
    return time.perf_counter() - start


def adding_s(_: Path) -> float:
    """Wall seconds of adding 1 to 160 MB of floats twenty times: no cache holds them."""
    numbers = np.ones(_FLOATS, np.float32)
    out = np.empty_like(numbers)
    start = time.perf_counter()
    for _ in range(20):
        np.add(numbers, 1, out=out)
    return time.perf_counter() - start


def quantifying_s(slide: Path) -> float:
    """Wall seconds of a whole slide without Dask, its order apart."""
    cv2.setNumThreads(1)
    job = job_of(slide, slide.parent / f"pair-{os.getpid()}")
    start = time.perf_counter()
    whole_slide(job)
    return time.perf_counter() - start


WORK: dict[str, Callable[[Path], float]] = {
    "decoding JPEG": decoding_s,
    "adding to arrays of 160 MB": adding_s,
    "histoquant, without Dask": quantifying_s,
}


def two_over_one(work: Callable[[Path], float], slide: Path, repeats: int = 3) -> float:
    """How much two processes get done in the time in which one gets 1 done; the best of the repeats each."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(work, [slide] * 2))  # imported and compiled
        one = min(pool.submit(work, slide).result() for _ in range(repeats))
        two = min(max(pool.map(work, [slide] * 2)) for _ in range(repeats))
    return 2 * one / two
