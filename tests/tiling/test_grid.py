"""Cores partition the plane; only those that meet the mask are visited."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.tiling.grid import Tile, tissue_tiles, widen

HALO_PX = 40


@pytest.mark.parametrize("tile_size_px", [256, 300, 700, 4096])
def test_every_pixel_has_one_owner(tile_size_px: int):
    tiles = tissue_tiles((1010, 777), tile_size_px, HALO_PX, np.ones((49, 64), bool), 16)
    assert (_owners(tiles, (1010, 777)) == 1).all()


@pytest.mark.parametrize("tile_size_px", [256, 300, 512])
@pytest.mark.parametrize("halo_px", [0, 20, 200])
def test_all_masked_pixels_are_visited_once_whatever_the_tile_size(tile_size_px: int, halo_px: int):
    rng = np.random.default_rng(1)
    for share in (0.001, 0.01, 0.3):
        mask = rng.random((40, 50)) < share
        owners = _owners(tissue_tiles((795, 640), tile_size_px, halo_px, mask, 16), (795, 640))
        assert owners.max() <= 1
        assert owners[np.kron(mask, np.ones((16, 16), bool))[:, :795]].all()


@pytest.mark.parametrize("size_px", [(8192, 8192), (2600, 9000), (300, 30_000), (5000, 2561), (2560, 2560)])
def test_no_window_is_larger_than_that_of_a_square_tile(size_px: tuple[int, int]):
    mask = np.ones((-(-size_px[1] // 16), -(-size_px[0] // 16)), bool)
    tiles = tissue_tiles(size_px, 2560, 165, mask, 16)
    windows = [(tile.width_px + 330) * (tile.height_px + 330) for tile in tiles]
    assert max(windows) <= (2560 + 330) ** 2
    edges = [range(0, size, 2560) for size in size_px]
    fixed = sum(
        (min(2560, size_px[0] - x) + 330) * (min(2560, size_px[1] - y) + 330)
        for x in edges[0]
        for y in edges[1]
    )
    assert sum(windows) <= fixed


def test_a_tile_ends_where_the_mask_ends():
    mask = np.zeros((40, 50), bool)
    mask[3:9, 20:22] = True
    assert tissue_tiles((800, 640), 4096, HALO_PX, mask, 16) == [Tile(320, 48, 32, 96)]
    # parted into rows, within a mask pixel
    assert tissue_tiles((800, 640), 90, 4, mask, 16) == [Tile(320, 48, 32, 48), Tile(320, 96, 32, 48)]


def test_what_lies_far_apart_is_shared_out_each_for_itself():
    mask = np.zeros((100, 100), bool)
    mask[5:25, 5:25] = mask[60:90, 10:20] = mask[70:80, 40:60] = True
    apart = tissue_tiles((1600, 1600), 512, 60, mask, 16)
    assert apart == [Tile(80, 80, 320, 320), Tile(160, 960, 160, 480), Tile(640, 1120, 320, 160)]
    # where windows would overlap, one core holds both
    assert tissue_tiles((1600, 1600), 2000, 300, mask, 16) == [Tile(80, 80, 880, 1360)]


def test_an_empty_mask_gives_no_tile():
    assert tissue_tiles((800, 640), 256, HALO_PX, np.zeros((40, 50), bool), 16) == []


def test_widening_reaches_at_least_as_far_as_asked():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert widen(mask, 17, 16).sum() == 25
    assert widen(mask, 16, 16).sum() == 9


def _owners(tiles: list[Tile], size_px: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: size_px[1], : size_px[0]]
    owners = np.zeros(x.shape, int)
    for tile in tiles:
        owners += tile.owns(x, y)
    return owners
