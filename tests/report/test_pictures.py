from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoquant.report.pictures import PREVIEW_PX, embed, encode_png, read_small


def _tissue(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(90, 255, (height, width, 3)).astype(np.uint8)


def test_png_with_preview_is_an_ordinary_lossless_png(tmp_path: Path) -> None:
    picture = _tissue(2000, 1500)
    data = encode_png(picture)
    assert data == encode_png(picture)
    assert (np.asarray(Image.open(io.BytesIO(data))) == picture).all()
    path = tmp_path / "overlay.png"
    path.write_bytes(data)
    small = read_small(path)
    assert small is not None
    assert small.shape == (750, PREVIEW_PX, 3)
    assert np.abs(small.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 3


def test_preview_keeps_colour_order(tmp_path: Path) -> None:
    picture = np.zeros((1200, 1200, 3), np.uint8)
    picture[:, :, 0] = 250
    (tmp_path / "a.png").write_bytes(encode_png(picture))
    (tmp_path / "b.png").write_bytes(encode_png(picture[:300, :300].copy()))
    for name in ("a.png", "b.png"):
        small = read_small(tmp_path / name)
        assert small is not None
        assert small[..., 0].mean() > 240
        assert small[..., 2].mean() < 15


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut", "folder", "preview"])
def test_damaged_files_are_no_picture_and_no_error(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.png"
    data = encode_png(_tissue(1100, 1000))
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        flipped = bytearray(data)
        flipped[60] ^= 0xFF
        path.write_bytes({"empty": b"", "text": b"no", "cut": data[:50], "preview": bytes(flipped)}[damage])
    small = read_small(path)
    assert (small is None) is (damage != "preview"), "a bad preview falls back to the picture itself"


def test_embedded_pictures_keep_to_their_budget() -> None:
    picture = _tissue(1000, 900)
    for budget in (15_000, 60_000, 250_000):
        shown = embed(picture, 1000, budget, "slides/x/overlay.png")
        raw = base64.b64decode(shown.uri.split(",", 1)[1])
        assert len(raw) <= budget * 1.05
        assert Image.open(io.BytesIO(raw)).size == (shown.width, shown.height)
