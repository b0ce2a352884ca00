from __future__ import annotations

import numpy as np
import pytest

from histoquant.objects.marks import WORD, places


@pytest.mark.parametrize("width", [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_every_mark_is_found_in_its_order(width: int, share: float) -> None:
    rng = np.random.default_rng(width)
    marks = np.zeros(width + WORD, np.uint8)
    marks[:width] = np.where(rng.random(width) < share, rng.integers(1, 256, width), 0)
    found = np.empty(width + WORD, np.int32)
    assert found[: places(marks, width, found)].tolist() == np.flatnonzero(marks).tolist()
