"""Images and TIFF writers shared by the tests of the readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
APERIO = "Aperio Image Library v12\r\n{w}x{h} [0,0 {w}x{h}] (256x256) JPEG/RGB Q=70|AppMag = 40|MPP = 0.2500"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder with real slides (../shared/data) is not on this machine")
    return SHARED


def _texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colour fields with some noise: compresses like tissue, every pixel distinct from its shift."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [
        127 + 90 * np.sin(x / (7 + 3 * c) + c) * np.cos(y / (11 - 2 * c)) + rng.normal(0, 6, (height, width))
        for c in range(3)
    ]
    return np.stack(waves, axis=2).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def texture() -> Callable[..., np.ndarray]:
    return _texture


@pytest.fixture
def write_tiff(tmp_path: Path) -> Callable[..., Path]:
    def write(pixels: np.ndarray, name: str = "slide.tif", **options: Any) -> Path:
        path = tmp_path / name
        settings: dict[str, Any] = {
            "tile": (64, 64),
            "photometric": "rgb",
            "resolution": (20000, 20000),
            "resolutionunit": "CENTIMETER",
            "metadata": None,
        } | options
        tifffile.imwrite(path, pixels, **settings)
        return path

    return write


def _jpeg_tiles(pixels: np.ndarray, tile: int, **options: Any) -> list[bytes]:
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % tile), (0, -width % tile), (0, 0)), mode="edge")
    return [
        imagecodecs.jpeg8_encode(np.ascontiguousarray(padded[y : y + tile, x : x + tile]), **options)
        for y in range(0, height, tile)
        for x in range(0, width, tile)
    ]


@pytest.fixture
def write_svs(tmp_path: Path) -> Callable[..., Path]:
    """An Aperio-like file: JPEG level 0, stripped thumbnail, half-size level, label and macro."""

    def write(pixels: np.ndarray, name: str = "P01_T0_CD68.svs", tile: int = 64) -> Path:
        path = tmp_path / name
        height, width = pixels.shape[:2]
        text = APERIO.format(w=width, h=height)
        half = np.ascontiguousarray(pixels[::2, ::2])
        with tifffile.TiffWriter(path) as tiff:
            for level, subtype in ((pixels, 0), (half, 0)):
                tiff.write(
                    level, tile=(tile, tile), photometric="rgb", compression="jpeg", subsampling=(2, 2),
                    compressionargs={"level": 85}, description=text, metadata=None, subfiletype=subtype,
                )  # fmt: skip
            small = np.ascontiguousarray(pixels[::4, ::4])
            for kind, subtype in (("thumbnail", 0), ("label", 1), ("macro", 9)):
                tiff.write(
                    small, photometric="rgb", compression="lzw", subfiletype=subtype, metadata=None,
                    description=f"Aperio Image Library\r\n{kind} PHI_CANARY_7f3",
                )  # fmt: skip
        return path

    return write


@pytest.fixture(scope="session")
def jpeg_tiles() -> Callable[..., list[bytes]]:
    return _jpeg_tiles


class Entries:
    """Where each tag of a classic little-endian TIFF written by tifffile lies, for patching."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with tifffile.TiffFile(path) as tiff:
            self.tags = [
                {tag.code: (tag.offset, tag.valueoffset) for tag in page.tags.values()} for page in tiff.pages
            ]

    def patch(self, code: int, value: int, size: int = 4, page: int = 0, what: str = "value") -> None:
        """Overwrite a tag's value (``what="value"``), its count or its type."""
        entry, place = self.tags[page][code]
        at = {"value": place, "count": entry + 4, "type": entry + 2, "inline": entry + 8}[what]
        data = bytearray(self.path.read_bytes())
        data[at : at + size] = value.to_bytes(size, "little")
        self.path.write_bytes(data)


@pytest.fixture
def entries() -> Callable[[Path], Entries]:
    return Entries
