from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from histoquant.tiling.mean_od import MeanOd

WHITE = (240.0, 238.0, 236.0)


def _survey() -> Any:
    rng = np.random.default_rng(3)
    counted = rng.integers(0, 257, (70, 9)).astype(np.uint16)
    counted[5, 2] = 0
    mean = rng.integers(0, 256, (70, 9, 3))
    return SimpleNamespace(counted=counted, sums=(mean * counted[..., None]).astype(np.uint16))


def test_density_is_that_of_the_mean_colour_and_zero_where_nothing_counts() -> None:
    survey = _survey()
    found = MeanOd(survey, WHITE)[0:70]
    assert found.dtype == np.float32
    assert not found[survey.counted == 0].any()
    for y, x in ((0, 0), (33, 4), (69, 8)):
        mean = survey.sums[y, x] / survey.counted[y, x]
        np.testing.assert_allclose(found[y, x], np.log10(WHITE / np.maximum(mean, 1.0)), rtol=1e-5)


def test_a_part_is_that_part_of_the_whole() -> None:
    od = MeanOd(_survey(), WHITE)
    whole = od[0:70]
    np.testing.assert_array_equal(od[11:40], whole[11:40])
    np.testing.assert_array_equal(od[slice(60, 70), slice(2, 7)], whole[60:70, 2:7])
