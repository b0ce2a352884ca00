"""The white point: glass where there is some, and never silently something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoquant.errors import UsageError
from histoquant.stains import WhitePoint, white_point
from histoquant.tiling.survey import survey

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WHITES = [(240.0, 241.0, 238.0), (217.0, 216.0, 215.0), (200.0, 215.0, 205.0), (252.0, 252.0, 252.0)]


def test_glass_is_found_to_a_quarter_of_a_grey_level(sections) -> None:  # type: ignore[no-untyped-def]
    for white in WHITES:
        section = replace(sections.paint(800, 640), white=white)
        found = white_point(survey(sections.ArrayPlane(section.photograph())))
        assert found.source == "glass"
        assert found.flags == ()
        np.testing.assert_allclose(found.rgb, white, atol=0.25)


def test_noise_does_not_move_it(sections) -> None:  # type: ignore[no-untyped-def]
    section = replace(sections.paint(800, 640), noise=6.0)
    found = white_point(survey(sections.ArrayPlane(section.photograph())))
    assert found.source == "glass"
    np.testing.assert_allclose(found.rgb, sections.WHITE, atol=0.25)


def test_paper_white_padding_is_not_glass(sections) -> None:  # type: ignore[no-untyped-def]
    rgb = sections.paint(800, 640).photograph()
    padded = np.full((1280, 1600, 3), 255, np.uint8)
    padded[:640, :800] = rgb
    assert white_point(survey(sections.ArrayPlane(padded))) == white_point(survey(sections.ArrayPlane(rgb)))


def test_a_blank_saturated_slide_is_white_glass(sections) -> None:  # type: ignore[no-untyped-def]
    blank = np.full((256, 256, 3), 255, np.uint8)
    assert white_point(survey(sections.ArrayPlane(blank))).rgb == (255.0, 255.0, 255.0)


def test_a_field_full_of_pale_stroma_shows_no_glass(sections) -> None:  # type: ignore[no-untyped-def]
    section = sections.paint(1600, 1280, tint_od=0.05)
    middle = section.photograph()[400:800, 500:1000]
    found = white_point(survey(sections.ArrayPlane(middle)))
    assert found.source == "brightest background"
    assert found.flags == ("NO_GLASS",)
    assert np.all(np.asarray(found.rgb) > 0.85 * np.asarray(sections.WHITE))


def test_a_field_full_of_stain_falls_back_to_the_prior(sections) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    dark = rng.normal(120, 15, (256, 256, 3)).clip(0, 255).astype(np.uint8)
    found = white_point(survey(sections.ArrayPlane(dark)))
    assert found == WhitePoint((243.0, 243.0, 243.0), "prior", ("NO_GLASS",))


def test_nothing_valid_is_the_prior_and_no_exception(sections) -> None:  # type: ignore[no-untyped-def]
    rgb = np.full((64, 64, 3), 240, np.uint8)
    plane = sections.ArrayPlane(rgb, valid=np.zeros((64, 64), bool))
    assert white_point(survey(plane)).source == "prior"


@pytest.mark.parametrize("name", ["Bladder1", "Lung1"])
def test_tinted_stroma_of_real_fields_is_not_called_glass(sections, name: str) -> None:  # type: ignore[no-untyped-def]
    path = DATA / "ihc-annotated" / f"{name}.png"
    if not path.exists():
        pytest.skip(f"real images are not beside this checkout ({path.parent.name} absent)")
    rgb = np.asarray(Image.open(path).convert("RGB"))
    half = rgb.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    found = white_point(survey(sections.ArrayPlane(half)))
    assert found.flags == ("NO_GLASS",)


def test_a_white_point_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match="1 to 255"):
        WhitePoint((0.0, 240.0, 240.0))
