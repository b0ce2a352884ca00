from __future__ import annotations

import numpy as np
import pytest

from histoquant.run.counted import counted_pixels


@pytest.mark.parametrize("plane_yx", [(0, 0), (16, 32), (5, 47), (63, 1)])
@pytest.mark.parametrize("shape", [(1, 1), (40, 70), (33, 16)])
def test_counted_is_what_is_valid_in_quantifiable_tissue(
    plane_yx: tuple[int, int], shape: tuple[int, int]
) -> None:
    rng, core_yx, scale_px = np.random.default_rng(1), (3, 4), 16
    valid, quantifiable = rng.random((60, 90)) < 0.9, rng.random((8, 9)) < 0.5
    found = counted_pixels(valid, core_yx, quantifiable, plane_yx, scale_px, shape)
    y, x = np.indices(shape)
    tissue = quantifiable[(y + plane_yx[0]) // scale_px, (x + plane_yx[1]) // scale_px]
    assert (found == (tissue & valid[y + core_yx[0], x + core_yx[1]])).all()
    # one row for all of them
    found = counted_pixels(valid[:1], core_yx, quantifiable, plane_yx, scale_px, shape)
    assert (found == (tissue & valid[0, x + core_yx[1]])).all()
