"""Cores partition the plane; only those that meet the mask are visited."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.tiling.grid import Tile, tissue_tiles, widen


@pytest.mark.parametrize("tile_size_px", [256, 300, 700, 4096])
def test_every_pixel_has_one_owner(tile_size_px: int):
    tiles = tissue_tiles((1010, 777), tile_size_px, np.ones((49, 64), bool), 16)
    owners = np.zeros((777, 1010), int)
    y, x = np.mgrid[:777, :1010]
    for tile in tiles:
        owners += tile.owns(x, y)
    assert (owners == 1).all()


def test_all_masked_pixels_are_visited_whatever_the_tile_size():
    rng = np.random.default_rng(1)
    mask = rng.random((40, 50)) < 0.02
    y, x = np.nonzero(np.kron(mask, np.ones((16, 16), bool)))
    for tile_size_px in (256, 300, 512):
        tiles = tissue_tiles((800, 640), tile_size_px, mask, 16)
        assert sum(tile.owns(x, y).sum() for tile in tiles) == len(x)


def test_a_tile_ends_where_the_mask_ends():
    mask = np.zeros((40, 50), bool)
    mask[3:9, 20:22] = True
    assert tissue_tiles((800, 640), 4096, mask, 16) == [Tile(320, 48, 32, 96)]
    # cut by the grid as well, within a mask pixel
    assert tissue_tiles((800, 640), 330, mask, 16) == [Tile(320, 48, 10, 96), Tile(330, 48, 22, 96)]


def test_an_empty_mask_gives_no_tile():
    assert tissue_tiles((800, 640), 256, np.zeros((40, 50), bool), 16) == []


def test_widening_reaches_at_least_as_far_as_asked():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert widen(mask, 17, 16).sum() == 25
    assert widen(mask, 16, 16).sum() == 9
