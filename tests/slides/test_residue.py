"""What files tell beside their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from histoquant.slides.residue import residue

PIXELS = np.full((64, 64, 3), 230, np.uint8)


def test_a_plain_tiff_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "P01.tif"
    tifffile.imwrite(path, PIXELS, tile=(64, 64), metadata=None)
    assert residue(path, ["P01"]) == ()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"description": "biopsy of p01-canary"}, ("identifier",)),
        ({"datetime": "2024:05:06 07:08:09"}, ("scan date",)),
        ({"description": "another patient"}, ()),
    ],
)
def test_text_tags_are_searched(tmp_path: Path, options: dict[str, str], found: tuple[str, ...]) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, PIXELS, metadata=None, **options)
    assert residue(path, ["P01-Canary", "", "of"]) == found


def test_label_and_macro_of_an_aperio_file(tmp_path: Path) -> None:
    path = tmp_path / "x.svs"
    with tifffile.TiffWriter(path) as file:
        said = "Aperio Image Library v11\n64x64 (64x64)|MPP = 0.5|Date = 05/06/24|User = P01-Canary"
        file.write(PIXELS, tile=(64, 64), description=said, metadata=None)
        file.write(PIXELS, description="Aperio Image Library v11\nlabel 64x64", metadata=None)
        file.write(PIXELS, description="Aperio Image Library v11\nmacro 64x64", metadata=None)
    found = residue(path, ["P01-Canary"])
    assert set(found) >= {"identifier", "label image", "macro image"}


def test_no_image_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "x.svs"
    path.write_bytes(b"II*\0 no slide")
    assert residue(path, ["P01"]) == ()
