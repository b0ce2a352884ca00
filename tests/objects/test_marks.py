from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from histoquant.objects.marks import WORD, places, turns_of, word_of


@pytest.mark.parametrize("width", [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_every_mark_is_found_in_its_order(width: int, share: float) -> None:
    rng = np.random.default_rng(width)
    marks = np.zeros(width + WORD, np.uint8)
    marks[:width] = np.where(rng.random(width) < share, rng.integers(1, 256, width), 0)
    found = np.empty(width + WORD, np.int32)
    assert found[: places(marks, width, found)].tolist() == np.flatnonzero(marks).tolist()


@njit
def _words(row: np.ndarray, x: int) -> tuple[int, int]:
    return word_of(row, x), turns_of(row, x)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32])
def test_a_word_tells_what_is_there_and_where_it_changes(kind: type) -> None:
    row = np.random.default_rng(0).integers(0, 3, WORD + 9).astype(kind)
    for x in (0, 1, 8):
        part, after = row[x : x + WORD], row[x + 1 : x + 1 + WORD]
        there, turns = _words(row, x)
        assert [there >> i & 1 for i in range(WORD)] == (part != 0).tolist()
        assert [turns >> i & 1 for i in range(WORD)] == (part != after).tolist()
