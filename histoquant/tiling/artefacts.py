"""Artefacts on a section: what nobody should count under, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histoquant.tiling.crush import crushed
from histoquant.tiling.edge import edge_dab
from histoquant.tiling.focus import blurred
from histoquant.tiling.folds import folded
from histoquant.tiling.ink import bubbles, pen, pigment
from histoquant.tiling.maps import BoolMap, closed, grown, opened
from histoquant.tiling.mean_od import MeanOd
from histoquant.tiling.survey import Survey
from histoquant.tiling.tissue import flat_blocks, with_small_holes, without_debris

BY_HAND = 8
"""Code of what a person left out; nothing here finds it."""
EXCLUSIONS: dict[int, str] = {
    1: "fold",
    2: "blur",
    3: "pigment",
    4: "pen",
    5: "bubble",
    6: "edge_dab",
    7: "crush",
    BY_HAND: "by_hand",
}
_CODES = {name: code for code, name in EXCLUSIONS.items()}

_NEAR_COVER_PX = 3
_UNDER_UM = 80.0  # tissue is taken to go on under ink or a bubble for this far from either side


@dataclass(frozen=True, eq=False)
class Found:
    """Tissue and the reasons why parts of it do not count.

    Attributes
    ----------
    tissue : ndarray of bool, shape (h, w)
        Tissue, what lies under ink and bubbles included, ink and bubbles on glass not.
    excluded : ndarray of uint8, shape (h, w)
        Key of `EXCLUSIONS` on tissue that does not count, else 0.
    """

    tissue: BoolMap
    excluded: npt.NDArray[np.uint8]


def find_artefacts(
    survey: Survey, tissue: BoolMap, white: tuple[float, float, float], um: float, *, dab: bool = True
) -> Found:
    """Find ink, bubbles, folds, blur, pigment, the edge effect and crushed cells.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    tissue : ndarray of bool, shape (h, w)
        Map pixels darker than glass, before debris is removed.
    white : tuple of 3 float
        Intensity of glass.
    um : float
        Micrometres per map pixel.
    dab : bool
        Whether the section is stained with DAB, so that its edge can hold too much of it. Crushed cells are
        looked for there only: under eosin dense fibres look the same.

    Returns
    -------
    Found
        Where reasons meet, the gravest is given: ink, bubble, fold, blur, pigment, edge effect,
        crushed cells.
    """
    od = MeanOd(survey, white)
    ink = pen(survey, od, um)
    bubble = bubbles(survey, um)
    cover = ink | bubble
    rest = tissue & ~cover
    # the faded edge of a stroke on glass is a strip one or two map pixels wide
    rest &= ~grown(cover, _NEAR_COVER_PX) | opened(rest, 3)
    rest = without_debris(rest, survey.map_mpp_xy)
    rest = with_small_holes(rest, cover, survey.map_mpp_xy)
    under = cover & closed(rest, round(_UNDER_UM / um)) & (survey.counted > 0)
    whole = rest | under
    del under
    excluded = np.zeros(tissue.shape, dtype=np.uint8)

    # one after the other, the gravest last: masks of a large slide are not to be held together
    def reasons() -> Iterator[tuple[str, BoolMap]]:
        if dab:
            yield "crush", crushed(survey, od, rest, um)
            yield "edge_dab", edge_dab(survey, rest, um)
        yield "pigment", pigment(survey)
        yield "blur", blurred(survey, rest, flat_blocks(survey) & ~rest, um)
        # the faded edge of a stroke is a dark band too
        yield "fold", folded(survey, od, rest & ~grown(cover, _NEAR_COVER_PX), white[1], um)
        yield "bubble", bubble
        yield "pen", ink

    for name, mask in reasons():
        excluded[mask & whole] = _CODES[name]
        del mask
    return Found(whole, excluded)
