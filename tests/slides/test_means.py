"""Averaging tile by tile gives the bytes that averaging a window of full resolution gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from histoquant.slides import open_slide
from histoquant.slides.plane import Plane
from histoquant.slides.tiff_slide import TiffSlide


def _written(path: Path, size: tuple[int, int], tile: tuple[int, int], codec: str | None) -> Path:
    rgb = np.random.default_rng(size[0]).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(rgb, photometric="rgb", tile=tile, compression=codec, metadata=None)
    return path


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize(
    ("size", "tile", "codec"),
    [
        ((511, 700), (256, 256), "jpeg"),
        ((512, 256), (128, 240), "jpeg"),
        ((333, 517), (48, 80), "deflate"),
        ((96, 97), (48, 48), None),
    ],
)
def test_means_of_tiles_are_means_of_the_slide(
    tmp_path: Path, size: tuple[int, int], tile: tuple[int, int], codec: str | None, factor: int
) -> None:
    path = _written(tmp_path / "a.tif", size, tile, codec)
    random = np.random.default_rng(factor)
    with open_slide(path, mpp=0.25) as tiled, open_slide(path, mpp=0.25) as whole:
        plane, slow = (Plane.at_factor(slide, factor, factor) for slide in (tiled, whole))
        whole.read_means = lambda *_: None  # type: ignore[attr-defined]
        width, height = plane.size_px
        places = [(0, 0, width, height), (-3, -2, width + 7, height + 5), (width, 0, 2, 2)]
        for _ in range(6):
            x, y = int(random.integers(-9, width)), int(random.integers(-9, height))
            places.append((x, y, int(random.integers(1, width)), int(random.integers(1, height))))
        for place in places:
            for one, other in zip(plane.read(*place), slow.read(*place), strict=True):
                assert np.array_equal(one, other)


def test_a_tile_that_is_not_there_is_white_and_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _written(tmp_path / "a.tif", (512, 256), (256, 256), "jpeg")
    real = TiffSlide._decode_tile
    monkeypatch.setattr(
        TiffSlide,
        "_decode_tile",
        lambda self, column, row, **named: None if column else real(self, column, row, **named),
    )
    with open_slide(path, mpp=0.25) as slide:
        rgb, valid = Plane.at_factor(slide, 2.0, 2.0).read(0, 0, 256, 128)
    assert valid[:, :128].all()
    assert not valid[:, 128:].any()
    assert (rgb[:, 128:] == 255).all()
    assert (rgb[:, :128] != 255).any()


def test_factors_that_cut_tiles_go_the_slow_way(tmp_path: Path) -> None:
    with open_slide(_written(tmp_path / "a.tif", (300, 300), (256, 256), None), mpp=0.25) as slide:
        assert isinstance(slide, TiffSlide)
        assert slide.read_means(0, 0, 10, 10, 3) is None
        assert slide.read_means(0, 0, 10, 10, 4) is not None
