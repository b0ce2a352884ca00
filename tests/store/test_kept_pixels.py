"""Kept pixels are those that were written, or none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histoquant.slides.pieces import Piece
from histoquant.store import kept_pixels
from histoquant.store.kept_pixels import KeptPixels
from histoquant.store.local_disk import is_local

SIZE = (700, 531)
ROOM = 1 << 30
BLOCK_PX = 256
SQUARE = (BLOCK_PX, BLOCK_PX)


@pytest.fixture
def plane() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)


def window(plane: np.ndarray, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """What decoding gives: white and invalid outside."""
    rgb, valid = np.full((height, width, 3), 255, np.uint8), np.zeros((height, width), bool)
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, SIZE[0]), min(y + height, SIZE[1])
    to = np.s_[top - y : bottom - y, left - x : right - x]
    rgb[to], valid[to] = plane[top:bottom, left:right], True
    return rgb, valid


def pieces(rgb: np.ndarray, valid: np.ndarray, block_px: tuple[int, int], number: int) -> Iterator[Piece]:
    """As a survey reads a plane: blocks side by side, white and invalid beyond it."""
    (width, height), (rows, columns) = block_px, valid.shape
    for y in range(0, rows, height):
        for left in range(0, columns, number * width):
            places = range(left, min(columns, left + number * width), width)
            shown = np.full((len(places), height, width, 3), 255, np.uint8)
            there = np.zeros(shown.shape[:3], bool)
            for k, x in enumerate(places):
                part = np.s_[y : y + height, x : x + width]
                to = np.s_[k, : valid[part].shape[0], : valid[part].shape[1]]
                shown[to], there[to] = rgb[part], valid[part]
            yield Piece(left, y, shown, None if there.all() else there)


def kept(
    folder: Path,
    plane: np.ndarray,
    most_bytes: int = ROOM,
    block_px: tuple[int, int] = SQUARE,
    number: int = 2,
) -> KeptPixels:
    pixels = KeptPixels.begin(folder, SIZE, block_px, most_bytes)
    assert pixels is not None
    for piece in pieces(plane, np.ones(SIZE[::-1], bool), block_px, number):
        pixels.keep(piece)
    pixels.seal()
    return pixels


def whole(pixels: KeptPixels | None, *at: int) -> tuple[np.ndarray, np.ndarray] | None:
    """A window of which nothing is missing."""
    assert pixels is not None
    found = pixels.read(*at)
    return None if found is None or found[1] else found[0]


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize(("block_px", "number"), [(SQUARE, 2), ((128, 144), 9), ((512, 160), 1)])
def test_windows_anywhere_are_as_they_were_written(
    tmp_path: Path, plane: np.ndarray, block_px: tuple[int, int], number: int
) -> None:
    written = kept(tmp_path, plane, block_px=block_px, number=number)
    found = KeptPixels.find(tmp_path, SIZE)
    assert found is not None
    random = np.random.default_rng(1)
    for _ in range(60):
        x, y = int(random.integers(-300, 690)), int(random.integers(-300, 520))
        most = int(random.choice([20, 900]))  # few lines of a block, and many blocks
        at = x, y, int(random.integers(1, most)), int(random.integers(1, most))
        for pixels in (written, found):
            read = whole(pixels, *at)
            if x + at[2] <= 0 or y + at[3] <= 0:
                assert read is None  # nothing of the plane is in it
                continue
            assert read is not None
            for one, other in zip(read, window(plane, *at), strict=True):
                assert np.array_equal(one, other)


def test_a_block_with_a_pixel_that_is_not_there_is_not_kept(tmp_path: Path, plane: np.ndarray) -> None:
    pixels = KeptPixels.begin(tmp_path, SIZE, SQUARE, ROOM)
    assert pixels is not None
    rgb, valid = window(plane, 0, 0, *SIZE)
    valid[300, 10] = False
    for piece in pieces(rgb, valid, SQUARE, 3):
        pixels.keep(piece)
    assert whole(pixels, 0, 0, 700, 256) is not None
    assert whole(pixels, 0, 0, 10, 257) is None
    assert whole(pixels, 256, 256, 444, 275) is not None
    found = pixels.read(100, 200, 600, 331)
    assert found is not None
    assert found[1] == [(100, 256, 156, 256)]


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path, plane: np.ndarray) -> None:
    kept(tmp_path, plane, most_bytes=5 * 3 * BLOCK_PX**2 + 100)
    found = KeptPixels.find(tmp_path, SIZE)
    assert whole(found, 0, 0, 256, 256) is not None
    assert whole(found, 512, 256, 100, 100) is None
    assert sum(path.stat().st_size for path in files(tmp_path)) < 5 * 3 * BLOCK_PX**2 + 1000


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("at", [0, 7, 1000, 196_607, -1])
def test_an_altered_byte_is_never_read(tmp_path: Path, plane: np.ndarray, at: int) -> None:
    kept(tmp_path, plane)
    _flip(files(tmp_path)[1], at)
    found = KeptPixels.find(tmp_path, SIZE)
    assert whole(found, 0, 0, *SIZE) is None


def test_blocks_in_each_others_place_are_never_read(tmp_path: Path, plane: np.ndarray) -> None:
    kept(tmp_path, plane)
    path, size = files(tmp_path)[1], 3 * BLOCK_PX**2
    data = path.read_bytes()
    path.write_bytes(data[size : 2 * size] + data[:size] + data[2 * size :])
    found = KeptPixels.find(tmp_path, SIZE)
    assert whole(found, 0, 0, 100, 100) is None


def test_what_is_cut_short_or_unsealed_or_of_another_plane_is_not_found(
    tmp_path: Path, plane: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, plane)
    index, pixels = files(tmp_path)
    assert KeptPixels.find(tmp_path, (900, 531)) is None
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "another")
        assert KeptPixels.find(tmp_path, SIZE) is None
    os.truncate(pixels, 1000)
    found = KeptPixels.find(tmp_path, SIZE)
    assert whole(found, 0, 0, 10, 10) is None
    _flip(index, 40)
    assert KeptPixels.find(tmp_path, SIZE) is None
    index.unlink()
    assert KeptPixels.find(tmp_path, SIZE) is None


def test_a_second_attempt_takes_the_place_of_the_first(tmp_path: Path, plane: np.ndarray) -> None:
    kept(tmp_path, plane)
    begun = KeptPixels.begin(tmp_path, SIZE, SQUARE, ROOM)
    assert KeptPixels.find(tmp_path, SIZE) is None
    kept(tmp_path, plane[::-1].copy())
    found = KeptPixels.find(tmp_path, SIZE)
    assert begun is not None
    read = whole(found, 0, 0, *SIZE)
    assert read is not None
    assert np.array_equal(read[0], plane[::-1])


def _full(*_: Any) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("how", ["full", "short", "slow"])
def test_a_disk_that_does_not_lend_itself_is_left_alone(
    tmp_path: Path, plane: np.ndarray, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "slow":
        monkeypatch.setattr(kept_pixels, "_TRIED_BYTES", 3 * BLOCK_PX**2)
        monkeypatch.setattr(kept_pixels, "_LEAST_BYTES_PER_S", 1e15)
    else:
        monkeypatch.setattr(os, "pwrite", _full if how == "full" else lambda *_: 5)
    pixels = kept(tmp_path, plane)
    assert whole(pixels, 0, 0, 10, 10) is None
    found = KeptPixels.find(tmp_path, SIZE)
    assert found is None or whole(found, 0, 0, 10, 10) is None
    assert sum(path.stat().st_size for path in files(tmp_path)) < 1000
    monkeypatch.undo()
    assert KeptPixels.begin(tmp_path / "missing", SIZE, SQUARE, ROOM) is None


def test_disks_of_other_machines_are_told_by_their_kind(tmp_path: Path) -> None:
    share, name = tmp_path / "share", str(tmp_path).encode("unicode_escape").decode()
    share.mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"20 1 8:1 / / rw - squashfs /dev/a ro\n21 1 8:2 / {name} rw,noatime shared:1 - ext4 /dev/b rw\n"
        f"22 1 0:9 / {name}/share rw - nfs4 server:/x rw\n23 1 0:9 / {name}/a\\040b rw - xfs /dev/c rw\n"
    )
    assert is_local(tmp_path, mounts)
    assert not is_local(share / "deeper", mounts)
    assert is_local(tmp_path / "a b" / "c", mounts)
    assert not is_local(Path("/"), mounts)
    assert is_local(tmp_path, tmp_path / "no list")
