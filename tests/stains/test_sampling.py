"""Which blocks are sampled, and vectors of whole painted slides."""

from __future__ import annotations

import numpy as np

from histoquant.phantoms import render_field
from histoquant.stains import (
    H_DAB,
    angle_deg,
    sample_blocks,
    slide_vectors,
    stain_histogram,
    tissue_tint,
    white_point,
)
from histoquant.tiling.survey import survey
from histoquant.tiling.tissue_map import map_tissue


def surveyed(sections, rgb: np.ndarray):  # type: ignore[no-untyped-def]
    plane = sections.ArrayPlane(rgb)
    found = survey(plane)
    white = white_point(found)
    return plane, found, white, map_tissue(found, white)


def test_blocks_are_few_on_tissue_and_the_same_every_time(sections) -> None:  # type: ignore[no-untyped-def]
    _, found, _, tissue = surveyed(sections, sections.paint(3200, 2560).photograph())
    blocks = sample_blocks(tissue, found, limit=16)
    assert blocks.shape == (16, 2)
    assert len(np.unique(blocks, axis=0)) == 16
    assert (blocks % 256 == 0).all()
    np.testing.assert_array_equal(blocks, sample_blocks(tissue, found, limit=16))
    for x, y in blocks.tolist():
        assert tissue.quantifiable[y // 16 : y // 16 + 16, x // 16 : x // 16 + 16].any()


def test_the_only_brown_corner_is_sampled(sections) -> None:  # type: ignore[no-untyped-def]
    section = sections.paint(3200, 2560)
    spot = np.zeros_like(section.tissue)
    spot[700:830, 1900:2000] = True
    section.od[spot] += 0.6 * H_DAB.matrix[1]
    _, found, _, tissue = surveyed(sections, section.photograph())
    blocks = sample_blocks(tissue, found, limit=16).tolist()
    hit = [b for b in blocks if b[0] <= 1950 < b[0] + 256 and b[1] <= 760 < b[1] + 256]
    assert hit


def test_a_slide_without_tissue_has_no_blocks(sections) -> None:  # type: ignore[no-untyped-def]
    plane, found, white, tissue = surveyed(sections, np.full((512, 512, 3), 240, np.uint8))
    blocks = sample_blocks(tissue, found)
    assert blocks.shape == (0, 2)
    assert tissue_tint(found, white) == (0.0, 0.0, 0.0)
    assert stain_histogram(plane, blocks, tissue, white).total == 0
    assert slide_vectors(plane, found, tissue, white, H_DAB).source == "prior"


def test_only_quantifiable_tissue_is_counted(sections) -> None:  # type: ignore[no-untyped-def]
    plane, found, white, tissue = surveyed(sections, sections.paint(1000, 800).photograph())
    histogram = stain_histogram(plane, sample_blocks(tissue, found), tissue, white)
    assert histogram.total == int(tissue.area_px[tissue.quantifiable].sum()) // 4


def test_tint_is_the_stroma_not_the_nuclei(sections) -> None:  # type: ignore[no-untyped-def]
    _, found, white, _ = surveyed(sections, sections.paint(1000, 800, tint_od=0.06).photograph())
    want = 0.06 * np.array([0.9, 1.05, 0.85])
    np.testing.assert_allclose(tissue_tint(found, white), want, rtol=0.35)


def test_vectors_of_a_drawn_slide_within_three_degrees(sections) -> None:  # type: ignore[no-untyped-def]
    rgb, truth = render_field("CD68", 500.0, 5, "vector-shifted", fragments=1)
    plane, found, white, tissue = surveyed(sections, rgb)
    estimate = slide_vectors(plane, found, tissue, white, H_DAB)
    assert estimate.source == "estimated"
    for row, stain in enumerate(("hematoxylin", "second")):
        want = [truth.summary[f"{stain}_{c}"] for c in ("red", "green", "blue")]
        assert angle_deg(estimate.vectors.matrix[row], want) < 3.0
        assert angle_deg(H_DAB.matrix[row], want) > 5.0


def test_a_drawn_negative_slide_keeps_the_dab_prior(sections) -> None:  # type: ignore[no-untyped-def]
    rgb, _ = render_field("CD68", 400.0, 5, fragments=1, stain=0.0, pigment=60.0)
    plane, found, white, tissue = surveyed(sections, rgb)
    estimate = slide_vectors(plane, found, tissue, white, H_DAB)
    assert "DAB prior" in estimate.source
    assert "too few DAB pixels" in estimate.reason
