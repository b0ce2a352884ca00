"""Caps of nuclei and shadows: profiles so thin or faint that a reader would not count them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from histoquant.markers.definition import MarkerDefinition

# A section of 4 um cuts off caps of the nuclei it only just reaches. From 0.08 to 0.15 of the upper quartile
# phantoms hardly change; nuclei out of focus need the low end. Under eosin, granules of dark cytoplasm are
# as slight as such nuclei, and the middle serves better.
CAP_SHARE, CAP_SHARE_EOSIN = 0.08, 0.12
# A strip of collagen fibre or a smear steps out of its surroundings by less than a quarter of what sharp
# nuclei of its slide do. On phantoms with fibres 0.2 raised precision from 0.91 to 0.94 for 0.002 of recall.
EDGE_SHARE = 0.22
_SHARP = 0.9
# Brown around a nucleus, as a share of the threshold, from which on its edge may be hidden.
_HIDING = 0.5
# A lymphocyte of 8 um shows nothing of its nucleus of 5.5 um only where it is cut to less than 26 um2. Brown
# so small that stands alone hides no nucleus: where none shows, there is none.
_NO_NUCLEUS_UM2 = 28.0
_UPPER_QUARTILE = 0.75
# A lymphocyte filled with stain shows no blue: what hides its nucleus stands for it.
_BROWN_SHARE = 0.5
# Where the stain is nuclear, what red light shows is nucleus: DAB is 0.41 as dark in it as haematoxylin.
_NUCLEAR_DAB = 0.4


@dataclass(frozen=True)
class CapLimits:
    """What a nucleus of this slide must reach.

    Attributes
    ----------
    content : float
        Of `nuclear_content`, OD um2.
    edge_od : float
        Step of darkness at a free edge.
    """

    content: float
    edge_od: float


def nuclear_content(cells: Mapping[str, npt.ArrayLike], marker: MarkerDefinition) -> npt.NDArray[np.float64]:
    """Stain of the whole nuclear profile, mean density times area: how much nucleus the section holds.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table of `histoquant.objects.measure_cells`.
    marker : MarkerDefinition
        A nuclear marker's DAB counts as nucleus, too; so does a membrane marker's where it hides the nucleus.

    Returns
    -------
    ndarray of float64, shape (n,)
        OD um2.
    """
    dark = np.asarray(cells["hematoxylin_od"], dtype=np.float64)
    dab = np.maximum(np.asarray(cells["nucleus_dab_od"], dtype=np.float64), 0.0)
    if marker.compartment == "nuclear":
        dark = dark + _NUCLEAR_DAB * dab
    elif marker.compartment == "membrane":
        dark = np.where(dab >= _BROWN_SHARE * dark, dark + dab, dark)
    return np.asarray(dark * np.asarray(cells["nucleus_area_um2"], dtype=np.float64), dtype=np.float64)


def cap_limits(cells: Mapping[str, npt.ArrayLike], marker: MarkerDefinition) -> CapLimits:
    """Limits from all objects found on a slide, caps included, of which there is at least one."""
    typical = np.quantile(nuclear_content(cells, marker), _UPPER_QUARTILE, method="lower")
    share = CAP_SHARE_EOSIN if marker.stains == "H-E" else CAP_SHARE
    edge = np.asarray(cells["edge_od"], dtype=np.float64)
    known = edge[np.isfinite(edge)]
    sharp = np.quantile(known, _SHARP, method="lower") if known.size else -np.inf
    return CapLimits(float(share * typical), float(EDGE_SHARE * sharp))


def limits_of_kept(cells: Mapping[str, npt.ArrayLike], marker: MarkerDefinition) -> CapLimits:
    """Limits from the nuclei that a slide's own limits have let through, when no others are left.

    What was left out lies below the least of them, so these part all that the slide held in the same way.
    """
    content = nuclear_content(cells, marker)
    edge = np.asarray(cells["edge_od"], dtype=np.float64)
    shown = edge[np.isfinite(edge) & ~_hidden(cells, marker)]
    return CapLimits(
        float(content.min()) if content.size else 0.0, float(shown.min()) if shown.size else -np.inf
    )


def is_cap(
    cells: Mapping[str, npt.ArrayLike], marker: MarkerDefinition, limits: CapLimits | None = None
) -> npt.NDArray[np.bool_]:
    """Nuclei too slight for this slide: little content, or an edge faint beside the slide's sharp ones.

    Both measures are relative, because stain strength differs between slides by more than caps from nuclei.

    Parameters
    ----------
    cells : mapping of str to array_like
        All cells of one slide, never of one tile, unless limits are given.
    marker : MarkerDefinition
    limits : CapLimits, optional
        The slide's; default: from these cells.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    content = nuclear_content(cells, marker)
    if content.size == 0:
        return np.zeros(0, dtype=np.bool_)
    limits = limits or cap_limits(cells, marker)
    return np.asarray((content < limits.content) | _is_shadow(cells, marker, limits.edge_od), dtype=np.bool_)


def _is_shadow(
    cells: Mapping[str, npt.ArrayLike], marker: MarkerDefinition, limit_od: float
) -> npt.NDArray[np.bool_]:
    """Objects whose edge is faint beside the sharpest tenth of the slide's; never one without a free edge.

    A brown membrane lies on the edge of its nucleus and hides it, so nothing is said where one is. In brown
    cytoplasm a faint edge is what unmixing makes of granules.
    """
    edge = np.asarray(cells["edge_od"], dtype=np.float64)
    return np.asarray((edge < limit_od) & ~_hidden(cells, marker), dtype=np.bool_)


def _hidden(cells: Mapping[str, npt.ArrayLike], marker: MarkerDefinition) -> npt.NDArray[np.bool_]:
    """Objects whose edge lies under a brown membrane."""
    if marker.compartment != "membrane":
        return np.zeros(np.shape(cells["edge_od"]), dtype=np.bool_)
    around = np.asarray(cells["around_dab_p50_od"], dtype=np.float64)
    hidden = around >= _HIDING * marker.threshold_od
    if "stain_object_um2" in cells:
        hidden &= ~(np.asarray(cells["stain_object_um2"], dtype=np.float64) < _NO_NUCLEUS_UM2)
    return np.asarray(hidden, dtype=np.bool_)
