"""A plane in pieces is the plane in windows, and every pixel comes once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from histoquant.errors import SlideFailedError
from histoquant.slides import open_slide, tiff_slide
from histoquant.slides.pieces import good_block, tiles_in_block
from histoquant.slides.plane import Plane
from histoquant.slides.tiff_codec import DecodeError
from histoquant.slides.tiff_slide import TiffSlide
from histoquant.slides.unread import Unread


def _written(path: Path, size: tuple[int, int], tile: tuple[int, int] | None, codec: str | None) -> Path:
    rgb = np.random.default_rng(size[0]).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(rgb, photometric="rgb", tile=tile, compression=codec, metadata=None)
    return path


def _assert_pieces_are_windows(plane: Plane) -> None:
    seen = np.zeros(plane.size_px[::-1], int)
    place, width, height = (-1, -1), *plane.block_px
    for piece in plane.pieces():
        assert piece.rgb.shape[1:] == (height, width, 3)
        assert (piece.y, piece.x) > place
        place = piece.y, piece.x
        valid = np.ones(piece.rgb.shape[:3], bool) if piece.valid is None else piece.valid
        for k, block in enumerate(piece.rgb):
            at = piece.x + k * width, piece.y
            rgb, there = plane.read(*at, width, height)
            np.testing.assert_array_equal(block, rgb)
            np.testing.assert_array_equal(valid[k], there)
            seen[at[1] : at[1] + height, at[0] : at[0] + width] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize(
    ("size", "tile", "codec"),
    [
        ((511, 700), (256, 256), "jpeg"),
        ((1537, 256), (384, 288), "jpeg"),
        ((2600, 300), (128, 256), "deflate"),
        ((333, 517), (48, 80), None),
        ((1000, 720), (240, 240), "jpeg"),
        ((300, 200), None, None),
    ],
)
def test_pieces_are_windows(
    tmp_path: Path, size: tuple[int, int], tile: tuple[int, int] | None, codec: str | None, factor: float
) -> None:
    with open_slide(_written(tmp_path / "a.tif", size, tile, codec), mpp=0.5) as slide:
        _assert_pieces_are_windows(Plane.at_factor(slide, factor, factor))


def test_tiles_that_fit_maps_are_blocks_themselves(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.tif", (600, 600), (256, 512), "jpeg")
    with open_slide(path, mpp=0.25) as slide:
        assert Plane.at_factor(slide, 1, 1).block_px == (512, 256)
    assert [good_block(side) for side in ((240, 240), (120, 120), (1024, 256))] == [True, False, False]


def test_small_means_of_tiles_make_blocks_together(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.tif", (600, 600), (256, 512), "jpeg")
    with open_slide(path, mpp=0.25) as slide:
        assert Plane.at_factor(slide, 2, 2).block_px == (256, 256)
        assert Plane.at_factor(slide, 4, 4).block_px == (256, 256)
    assert tiles_in_block((128, 120)) == (2, 2)  # 240 px, as a third of 120 px does not fit maps
    assert tiles_in_block((24, 250)) == (10, 1)


def test_a_tile_that_is_not_there_is_white_and_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = _written(tmp_path / "a.tif", (512, 512), (256, 256), "jpeg"), TiffSlide._decode_tile

    def holes(self: TiffSlide, column: int, row: int, **named: np.ndarray) -> object:
        return None if column == row else real(self, column, row, **named)

    monkeypatch.setattr(TiffSlide, "_decode_tile", holes)
    with open_slide(path, mpp=0.5) as slide:
        plane = Plane.at_factor(slide, 1, 1)
        _assert_pieces_are_windows(plane)
        first = next(plane.pieces())
        assert first.valid is not None
        assert first.valid.all(axis=(1, 2)).tolist() == [False, True]
        assert (first.rgb[0] == 255).all()


@pytest.mark.parametrize("factor", [1, 2])
def test_a_tile_that_fails_half_decoded_is_told_or_leaves_nothing_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: int
) -> None:
    path, real = _written(tmp_path / "a.tif", (512, 300), (256, 256), "jpeg"), tiff_slide.decode_jpeg
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        start, count = page.dataoffsets[1], page.databytecounts[1]
    spoiled = path.read_bytes()[start : start + count]

    def half(data: bytes, *given: object, **named: object) -> np.ndarray:
        samples = real(data, *given, **named)
        if data == spoiled:
            raise DecodeError("no more")
        return samples

    monkeypatch.setattr(tiff_slide, "decode_jpeg", half)
    with open_slide(path, mpp=0.5) as slide:
        plane = Plane.at_factor(slide, factor, factor)
        assert plane.block_px == (256, 256)
        with pytest.raises(SlideFailedError, match=r"column 1, row 0 .*no more"):
            list(plane.pieces())
        slide.unread = Unread()
        _assert_pieces_are_windows(plane)
        assert slide.unread.found.keys() == {(256, 0, 256, 256)}
        first = next(plane.pieces())
        assert first.valid is not None
        tile = 256 // factor
        rgb, valid = (np.concatenate(list(part), axis=1)[:tile] for part in (first.rgb, first.valid))
        assert valid[:, :tile].all()
        assert not valid[:, tile:].any()
        assert (rgb[:, tile:] == 255).all()
