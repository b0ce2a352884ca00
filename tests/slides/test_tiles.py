from __future__ import annotations

import numpy as np

from histoquant.slides.tiles import TileCache


def _filled(limit_tiles: int, tiles: int) -> TileCache:
    pixels = np.zeros((4, 4, 3), np.uint8)
    cache = TileCache(limit_tiles * pixels.nbytes)
    for column in range(tiles):
        cache.put((column, 0), (pixels, None))
    return cache


def test_a_slide_that_fits_stays_when_the_rest_is_dropped() -> None:
    cache = _filled(limit_tiles=5, tiles=5)
    cache.drop_rest()
    assert all(cache.get((column, 0))[0] for column in range(5))


def test_what_is_left_of_a_larger_slide_is_dropped() -> None:
    cache = _filled(limit_tiles=5, tiles=6)
    assert [cache.get((column, 0))[0] for column in range(6)] == [False, *[True] * 5]
    cache.drop_rest()
    assert not any(cache.get((column, 0))[0] for column in range(6))
