"""Pixels wait by their level, the last one first, and none of them is lost."""

from __future__ import annotations

import numpy as np
from numba import njit

from histoquant.objects.waiting import FIRST, Waiting, give_up, next_level, put


@njit
def _put_all(pixels: np.ndarray, levels: np.ndarray, more: np.ndarray, slots: np.ndarray) -> None:
    for k in range(pixels.size):
        put(np.uint64(pixels[k]), levels[k], more[k], slots)


@njit
def _next_level(level: np.uint8, slots: np.ndarray) -> np.uint8:
    return next_level(level, slots)


@njit
def _give_up(level: np.uint8, slots: np.ndarray, plane: np.ndarray, mark: np.uint8) -> None:
    give_up(level, slots, plane, mark)


def _some(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    levels = rng.integers(1, 256, 500)
    counts = np.bincount(levels, minlength=256)[1:]
    slots = Waiting.of(counts).slots
    pixels = rng.permutation(500).astype(np.uint32)
    _put_all(pixels, levels, np.ones(500, np.int64), slots)
    return pixels, levels, slots


def test_pixels_lie_in_the_order_in_which_they_came() -> None:
    pixels, levels, slots = _some(np.random.default_rng(3))
    for level in range(1, 256):
        held = slots[slots[int(FIRST) + level] : slots[level]]
        assert (held == pixels[levels == level]).all()


def test_what_was_met_before_takes_no_place() -> None:
    _, _, slots = _some(np.random.default_rng(4))
    before = slots.copy()
    met = np.array([0, 256, 257, 258] * 3)
    _put_all(np.arange(12, dtype=np.uint32), met, np.zeros(12, np.int64), slots)
    before[2 * int(FIRST)] = 11
    assert (slots == before).all()


def test_the_next_level_is_the_highest_at_which_one_waits() -> None:
    counts = np.zeros(255, np.int64)
    counts[[6, 99]] = 1
    slots = Waiting.of(counts).slots
    _put_all(np.array([5], np.uint32), np.array([7]), np.ones(1, np.int64), slots)
    assert [_next_level(np.uint8(level), slots) for level in (255, 100, 7, 6)] == [7, 7, 7, 0]


def test_what_is_given_up_is_marked_and_waits_no_longer() -> None:
    pixels, levels, slots = _some(np.random.default_rng(5))
    plane = np.zeros(500, np.uint8)
    _give_up(np.uint8(120), slots, plane, np.uint8(255))
    assert (plane[pixels] == np.where(levels <= 120, 255, 0)).all()
    stacks = int(FIRST)
    assert (slots[1:121] == slots[stacks + 1 : stacks + 121]).all()
    assert slots[121:256].sum() - slots[stacks + 121 : stacks + 256].sum() == (levels > 120).sum()
