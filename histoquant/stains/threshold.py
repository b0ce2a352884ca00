"""The positivity threshold of one slide: the marker's own, moved with the strength of the slide's DAB."""

from __future__ import annotations

from typing import NamedTuple

from histoquant.stains.settings import STANDARD_HEMATOXYLIN_OD, ThresholdSource
from histoquant.stains.strength import StainStrength

# A slide outside this range of the standard strength is stained otherwise, or holds another stain: below it a
# threshold that followed would call faint background positive, above it would miss what is plainly brown.
STRENGTH_RANGE = (0.4, 2.5)
LEAST_SHARE = 0.5  # of the marker's threshold
LEAST_OD = 0.06  # haze of 0.06 OD is usual
# A marker's own threshold holds over a background up to this; what lies over it is added. Sections without
# haze measure 0.01 - 0.03.
CLEAN_BACKGROUND_OD = 0.03
# Spreads of the background that unstained tissue does not exceed: means over a nucleus, means over the
# sides of a cell, and single pixels, of which rendered fibres under haze reach 4. With 3 spreads for nuclei
# the share of positives of one real section moved by 2.6 points between its three digitisations.
NUCLEUS_SPREADS, CELL_SPREADS, PIXEL_SPREADS = 2.0, 3.0, 5.0

WEAK_STAIN = "WEAK_STAIN"


class Threshold(NamedTuple):
    """DAB threshold of one slide.

    Attributes
    ----------
    od : float
        Whole thousandths.
    source : str
        ``default``, ``set`` or ``adapted``.
    reason : str
        Why, with the numbers.
    flags : tuple of str
        ``WEAK_STAIN`` where the slide's own stain was measured and is too weak to go by.
    """

    od: float
    source: ThresholdSource
    reason: str
    flags: tuple[str, ...] = ()


def slide_threshold(
    marker_od: float, standard_od: float | None, strength: StainStrength, *, spreads: float = CELL_SPREADS
) -> Threshold:
    """Threshold of a slide from its marker's and its own strength.

    Parameters
    ----------
    marker_od : float
        The marker's threshold.
    standard_od : float or None
        DAB strength it holds for; None when the threshold is not to move.
    strength : StainStrength
        Of the slide.
    spreads : float
        Spreads of the background that what is compared does not exceed without stain: `CELL_SPREADS`, or
        `NUCLEUS_SPREADS` and `PIXEL_SPREADS` where nuclei, or single pixels of a vessel's wall, are compared.

    Returns
    -------
    Threshold
        ``background + marker_od * strength / standard``: the same place between unstained and stained on
        every slide. The marker's own where the slide shows too little stain to tell, so that a negative
        control is never stretched into positives; more where its haematoxylin is stronger than standard,
        because the share of it that unmixing leaves in DAB grows with it, and where its background is
        browner than a clean section's, and never less then than what its unstained tissue reaches.
    """
    if standard_od is None:
        return Threshold(marker_od, "set", "given, and not adapted to the slide")
    found = _by_strength(marker_od, standard_od, strength)
    spread = strength.diagnostics.get("dab_background_spread_od", 0.0)
    reached = round(strength.background_od + spreads * spread, 3)
    # where stain stands out from the background its strength says more: negative DAB of dark blue nuclei
    # spreads the background, too
    if strength.dab_od is not None or reached <= found.od:
        return found
    why = f"{found.reason}; raised because unstained tissue reaches {reached:.3f} OD"
    return Threshold(reached, "adapted", why, found.flags)


def _by_strength(marker_od: float, standard_od: float, strength: StainStrength) -> Threshold:
    if strength.dab_od is None:
        why = next(reason for reason in strength.reason.split("; ") if reason.startswith("DAB"))
        return _without_stain(marker_od, strength, why)
    ratio = strength.dab_od / standard_od
    said = f"DAB strength {strength.dab_od:.3f} OD is {ratio:.2f} of the standard {standard_od:g}"
    low, high = STRENGTH_RANGE
    if ratio < low:
        return _without_stain(marker_od, strength, f"{said}, less than {low:g}")._replace(flags=(WEAK_STAIN,))
    if ratio > high:
        return Threshold(marker_od, "default", f"{said}, more than {high:g}")
    od = strength.background_od + marker_od * ratio
    od = round(max(od, LEAST_SHARE * marker_od, LEAST_OD), 3)
    return Threshold(od, "adapted", f"{said}; background {strength.background_od:.3f} OD")


def _without_stain(marker_od: float, strength: StainStrength, why: str) -> Threshold:
    ratio = (strength.hematoxylin_od or 0.0) / STANDARD_HEMATOXYLIN_OD
    haze = max(strength.background_od - CLEAN_BACKGROUND_OD, 0.0)
    if ratio <= 1.0 and haze == 0.0:
        return Threshold(marker_od, "default", why)
    od = round(marker_od * min(max(ratio, 1.0), STRENGTH_RANGE[1]) + haze, 3)
    causes = [f"hematoxylin is {ratio:.2f} of the standard"] if ratio > 1.0 else []
    causes += [f"background is {strength.background_od:.3f} OD"] if haze > 0.0 else []
    return Threshold(od, "adapted", f"{why}; raised because {' and '.join(causes)}")
