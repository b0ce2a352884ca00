"""What leaving tissue out did to a slide's main density."""

from __future__ import annotations

from dataclasses import dataclass

from histoquant.metrics.density import density
from histoquant.metrics.measured import Measured

EXCLUSION_COLUMNS = ("positive_per_mm2_unexcluded", "exclusion_effect_percent")
MATTERS_PERCENT = 10.0
"""A larger effect is worth a look at what was left out; half the change a trial wants to see."""


@dataclass(frozen=True)
class Exclusion:
    """What a slide holds with and without its artefacts.

    Attributes
    ----------
    counted, area_mm2 : int or None, float
        Objects of the main density and quantifiable tissue. None where nothing is counted.
    counted_unexcluded : int or None
        Objects had nothing been left out: judged like all others, on the whole slide.
    excluded_mm2 : float
        Tissue left out.
    """

    counted: int | None
    area_mm2: float
    counted_unexcluded: int | None
    excluded_mm2: float


def exclusion_columns(found: Exclusion) -> dict[str, Measured]:
    """Main density over all tissue, artefacts included, and how far off it is.

    Parameters
    ----------
    found : Exclusion

    Returns
    -------
    dict of str to Measured
        ``positive_per_mm2_unexcluded`` in 1/mm2, and ``exclusion_effect_percent``:
        ``100 (D_unexcluded / D - 1)``, positive where the artefacts would have added cells; empty with
        ``NO_POSITIVES`` where the tissue that counts holds none.
    """
    if found.counted is None or found.counted_unexcluded is None:
        return dict.fromkeys(EXCLUSION_COLUMNS, Measured.missing("NOT_COUNTED"))
    whole = density(found.counted_unexcluded, found.area_mm2 + found.excluded_mm2)
    kept = density(found.counted, found.area_mm2)
    effect = Measured.missing("NO_POSITIVES")
    if kept.value is None or whole.value is None:
        effect = Measured.missing("NO_TISSUE")
    elif found.counted == found.counted_unexcluded == 0:
        effect = Measured(0.0)
    elif kept.value > 0:
        effect = Measured(100.0 * (whole.value / kept.value - 1.0))
    return dict(zip(EXCLUSION_COLUMNS, (Measured(whole.value, whole.reason), effect), strict=True))


def exclusion_flags(columns: dict[str, Measured]) -> list[str]:
    """``EXCLUSION_MATTERS`` where the main density would be more than 10 % off with nothing left out."""
    whole, effect = (columns[name] for name in EXCLUSION_COLUMNS)
    if effect.value is not None:
        return ["EXCLUSION_MATTERS"] if abs(effect.value) > MATTERS_PERCENT else []
    # nothing counts in good tissue, and all of it would have come from artefacts
    return ["EXCLUSION_MATTERS"] if effect.reason == "NO_POSITIVES" and whole.value else []


def by_kind(areas_mm2: dict[str, float]) -> str:
    """Areas per kind of artefact as one cell of a table: ``fold=0.0120;pen=0.2000``, in mm2.

    Kinds that do not occur are left out; empty where nothing was.
    """
    return ";".join(f"{kind}={area:.4f}" for kind, area in areas_mm2.items() if area > 0)
