from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from histoquant.objects.lane_rows import RUN, set_run


@njit
def _set(row: np.ndarray, begin: int, end: int, value: int) -> None:
    for x in range(begin, end, RUN):
        set_run(row, x, end - x, value)


@pytest.mark.parametrize("kind", [np.uint16, np.int64])
def test_a_run_is_set_and_nothing_beside_it(kind: type) -> None:
    rng = np.random.default_rng(4)
    for begin, count in [(0, 0), (0, 1), (5, RUN - 1), (5, RUN), (7, RUN + 1), (64, 3 * RUN), (1, 100)]:
        row = rng.integers(0, 60_000, 300).astype(kind)
        wanted = row.copy()
        wanted[begin : begin + count] = 51_234
        _set(row, begin, begin + count, 51_234)
        np.testing.assert_array_equal(row, wanted, err_msg=f"{count} from {begin}")
