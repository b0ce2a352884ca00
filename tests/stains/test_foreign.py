"""Pictures of other stains, or of no section at all, do not pass for haematoxylin and DAB in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import histoquant as hq
from histoquant.markers import get_marker
from histoquant.run.plan import plan_of
from histoquant.stains import H_DAB, H_E, StainHistogram, estimate_vectors
from histoquant.stains.foreign import FOREIGN_COLOURS, NO_COUNTERSTAIN, colour_flags
from histoquant.stains.strength import StainStrength

WHITE = 240.0
HEMATOXYLIN, DAB = H_DAB.matrix[0], H_DAB.matrix[1]
EOSIN = H_E.matrix[1]
GREEN_INK = np.array([0.75, 0.15, 0.64])
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SLIDES = (
    ("ihc-annotated/Bladder1.png", "nuclear", 0.5, False),
    ("ihc-annotated/Lung1.png", "nuclear", 0.5, False),
    ("ihc-lymphoid/ROI_1.png", "CD20", 0.5, False),
    ("ihc-lymphoid/ROI_7.png", "CD20", 0.5, False),
    ("ki67-two-scanners/OS-2-vsi.ome.tif", "nuclear", None, False),  # 0.2 % of pure haematoxylin
    ("wsi/CMU-1-Small-Region.svs", "CD68", None, True),  # haematoxylin-eosin
    ("he-annotated/hgsc_nest.jpg", "CD68", 0.5, True),
)


def flags(*shares: tuple[float, npt.ArrayLike], stains: str = "H-DAB") -> tuple[str, ...]:
    """Flags of patches of 4 x 4 px: share of patches, OD of red, green and blue, varied by a third."""
    rng = np.random.default_rng(5)
    kind = rng.choice(len(shares), (100, 100), p=[share for share, _ in shares])
    od = np.array([density for _, density in shares])[kind] * rng.uniform(0.7, 1.3, (100, 100, 1))
    od = od.repeat(4, axis=0).repeat(4, axis=1)
    light = WHITE * 10.0**-od + rng.normal(0, 1.5, od.shape)
    rgb = np.rint(light).clip(0, 255).astype(np.uint8)
    prior = H_DAB if stains == "H-DAB" else H_E
    # patches are no nuclei: none stand out
    unknown = StainStrength(None, None, 0.0, "too few", {})
    return colour_flags(estimate_vectors(StainHistogram.empty(WHITE).add(rgb), prior), unknown, stains)


def test_both_stains_and_their_mixtures_are_no_foreign_colours() -> None:
    pale = (0.5, 0.02 * HEMATOXYLIN)
    mixed = (0.1, 0.5 * HEMATOXYLIN + 0.6 * DAB)
    assert flags(pale, (0.25, 0.8 * HEMATOXYLIN), (0.15, 0.8 * DAB), mixed) == ()
    assert flags(pale, (0.5, 0.8 * HEMATOXYLIN)) == (), "a negative slide is a slide"


def test_a_third_dye_is_foreign_and_a_little_of_it_is_not() -> None:
    pale, nuclei = (0.5, 0.02 * HEMATOXYLIN), 0.8 * HEMATOXYLIN
    for dye in (0.7 * EOSIN, 0.7 * GREEN_INK):
        assert flags(pale, (0.4, nuclei), (0.1, dye)) == (FOREIGN_COLOURS,)
        assert flags(pale, (0.495, nuclei), (0.005, dye)) == ()


def test_brown_without_blue_is_said() -> None:
    assert flags((0.6, 0.02 * DAB), (0.4, 0.9 * DAB)) == (NO_COUNTERSTAIN,)


def test_haematoxylin_eosin_is_not_judged() -> None:
    assert flags((0.5, 0.3 * EOSIN), (0.5, 0.7 * GREEN_INK), stains="H-E") == ()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real images at {DATA}")
@pytest.mark.parametrize(("name", "marker", "mpp", "foreign"), SLIDES)
def test_real_sections_pass_and_another_stain_does_not(
    name: str, marker: str, mpp: float | None, foreign: bool
) -> None:
    with hq.open_slide(DATA / name, mpp=mpp) as slide:
        found = plan_of(slide, get_marker(marker), 0.5).plan.flags
    assert (FOREIGN_COLOURS in found) == foreign
    assert NO_COUNTERSTAIN not in found
