from __future__ import annotations

import numpy as np
import pytest

from histoquant.run.dab_histogram import HISTOGRAM_BINS, dab_histogram


@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (6, 7)])
def test_counted_pixels_of_the_core_are_counted_by_their_dab(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    dab = rng.choice(np.array([-32768, -1, 0, 1, 700, 2999, 3000, 3001, 32767], np.int16), (11, 13))
    counted = rng.random(shape) < 0.7
    values = np.clip(dab[2 : 2 + shape[0], 4 : 4 + shape[1]][counted], 0, HISTOGRAM_BINS - 1)
    assert (dab_histogram(dab, (2, 4), counted) == np.bincount(values, minlength=HISTOGRAM_BINS)).all()
