"""Vessel hotspot (Weidner) on a fixed number of candidate fields, so that visits compare.

The maximum over fields grows with the number of fields even in homogeneous tissue (114/mm2 with 5,
135 with 320 fields at a true 100/mm2); the number of candidates is therefore fixed and drawn by seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoquant.metrics.discs import pixels_inside, points_inside
from histoquant.metrics.relabel import labels_in_fields
from histoquant.metrics.tissue import Tissue


@dataclass(frozen=True)
class HotspotRules:
    """How hotspot fields are laid.

    Attributes
    ----------
    disc_mm2 : float
        Field area: a 200x field of Weidner's microscope.
    min_tissue : float
        A field needs this share of its area in quantifiable tissue.
    fields : int
        Candidate fields drawn; a study lowers it for all visits to the least number available.
    relabellings : int
        Random placements for the p value.
    """

    disc_mm2: float = 0.74
    min_tissue: float = 0.8
    fields: int = 10
    relabellings: int = 199

    @property
    def radius_um(self) -> float:
        """Radius of a field."""
        return 1000 * math.sqrt(self.disc_mm2 / math.pi)

    @property
    def spacing_um(self) -> float:
        """Grid of disc centres, anchored at the slide's corner: half a disc's radius."""
        return self.radius_um / 2


MIN_FIELDS = 3
"""With fewer fields a maximum says nothing (formula F7)."""


@dataclass(frozen=True)
class Hotspot:
    """Hotspot of one section.

    Attributes
    ----------
    h1_per_mm2 : float or None
        Densest of the drawn fields.
    h3_per_mm2 : float or None
        Mean of the three densest that do not overlap; None where there are not three.
    eligible : int
        Fields with enough tissue.
    p_value : float or None
        Share of random placements in the same tissue whose H1 is at least as high.
    x_um, y_um : float or None
        Centre of the densest field.
    reason : str or None
        ``NO_FIELD`` where no field fits on the tissue, ``FEW_FIELDS`` where too few do, ``NO_TISSUE``.
    """

    h1_per_mm2: float | None
    h3_per_mm2: float | None
    eligible: int
    p_value: float | None = None
    x_um: float | None = None
    y_um: float | None = None
    reason: str | None = None


def eligible_fields(tissue: Tissue, rules: HotspotRules) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres (x, y) in um and tissue area in mm2 of the fields with enough tissue, in raster order."""
    height, width = tissue.mask.shape
    across = np.arange(rules.spacing_um / 2, width * tissue.um_x, rules.spacing_um)
    down = np.arange(rules.spacing_um / 2, height * tissue.um_y, rules.spacing_um)
    centres = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    if not tissue.mask.any() or not len(centres):
        return np.zeros((0, 2)), np.zeros(0)
    mask, pixel_um = np.ascontiguousarray(tissue.mask), (tissue.um_x, tissue.um_y)
    pixels = pixels_inside(mask, pixel_um, across, down, rules.radius_um)
    area = pixels.ravel() * tissue.pixel_mm2
    used = area >= rules.min_tissue * rules.disc_mm2
    return centres[used], area[used]


def _field_density(
    points: NDArray[np.float64], centres: NDArray[np.float64], area: NDArray[np.float64], radius_um: float
) -> NDArray[np.float64]:
    inside = points_inside(points[:, 0].copy(), points[:, 1].copy(), centres, radius_um)
    return np.asarray(np.count_nonzero(inside, axis=1) / area)


def _densest_apart(
    density: NDArray[np.float64], centres: NDArray[np.float64], radius_um: float, count: int
) -> list[int]:
    """Up to ``count`` fields that do not overlap, chosen densest first."""
    chosen: list[int] = []
    for at in np.argsort(-density, kind="stable"):
        if all(math.dist(centres[at], centres[other]) >= 2 * radius_um for other in chosen):
            chosen.append(int(at))
        if len(chosen) == count:
            break
    return chosen


def _drawn_fields(
    tissue: Tissue, generator: np.random.Generator, rules: HotspotRules
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, str | None]:
    """Centres and tissue of the seeded fields, how many were eligible, and why there are none."""
    if tissue.area_mm2 == 0:
        return np.zeros((0, 2)), np.zeros(0), 0, "NO_TISSUE"
    centres, area = eligible_fields(tissue, rules)
    eligible = len(centres)
    if eligible < max(rules.fields, MIN_FIELDS):
        return np.zeros((0, 2)), np.zeros(0), eligible, "FEW_FIELDS" if eligible else "NO_FIELD"
    drawn = np.sort(generator.permutation(eligible)[: rules.fields])
    return centres[drawn], area[drawn], eligible, None


def hotspot_centres(
    xy_um: NDArray[np.float64], tissue: Tissue, seed: int, rules: HotspotRules, count: int
) -> tuple[NDArray[np.float64], str | None]:
    """Centres of the densest seeded fields that do not overlap, or why there are fewer than ``count``."""
    generator = np.random.Generator(np.random.PCG64(seed))
    centres, area, _, reason = _drawn_fields(tissue, generator, rules)
    if reason is not None:
        return centres, reason
    density = _field_density(xy_um, centres, area, rules.radius_um)
    chosen = _densest_apart(density, centres, rules.radius_um, count)
    return centres[chosen], None if len(chosen) == count else "FEW_FIELDS"


def find_hotspot(
    x_um: NDArray[np.float64],
    y_um: NDArray[np.float64],
    tissue: Tissue,
    seed: int,
    rules: HotspotRules | None = None,
    among: NDArray[np.float64] | None = None,
) -> Hotspot:
    """Densest of a fixed number of seeded fields (formula F7).

    Parameters
    ----------
    x_um, y_um : ndarray of float64, shape (n,)
        Objects.
    tissue : Tissue
        Quantifiable tissue.
    seed : int
        From `blocks.resampling_seed`; draws fields and random placements.
    rules : HotspotRules, optional
        Field size and number.
    among : ndarray of float64, shape (m, 2), optional
        All nuclei, the objects among them: chance is then the same number of labels dealt to these nuclei.
        Without it, chance is the same number of points dropped on the tissue.

    Returns
    -------
    Hotspot
    """
    rules = rules or HotspotRules()
    generator = np.random.Generator(np.random.PCG64(seed))
    centres, area, eligible, reason = _drawn_fields(tissue, generator, rules)
    if reason is not None:
        return Hotspot(None, None, eligible, reason=reason)
    points = np.stack([x_um, y_um], axis=1).astype(np.float64)
    density = _field_density(points, centres, area, rules.radius_um)
    top = int(density.argmax())
    h1 = float(density[top])
    fields = centres, area
    if among is None:
        highest = _on_tissue(tissue, len(points), fields, generator, rules)
    else:
        highest = _among_nuclei(among, len(points), fields, generator, rules)
    p_value = (int(np.count_nonzero(highest >= h1)) + 1) / (rules.relabellings + 1)
    top_three = _densest_apart(density, centres, rules.radius_um, 3)
    h3 = math.fsum(density[top_three]) / 3 if len(top_three) == 3 else None
    return Hotspot(h1, h3, eligible, p_value, float(centres[top, 0]), float(centres[top, 1]))


def _on_tissue(
    tissue: Tissue,
    number: int,
    fields: tuple[NDArray[np.float64], NDArray[np.float64]],
    generator: np.random.Generator,
    rules: HotspotRules,
) -> NDArray[np.float64]:
    """Highest density in the fields each time this many points are dropped on tissue pixels."""
    pixels, width = np.flatnonzero(tissue.mask), tissue.mask.shape[1]
    highest = np.zeros(rules.relabellings)
    for at in range(rules.relabellings):
        y, x = np.divmod(pixels[generator.integers(0, len(pixels), number)], width)
        scattered = np.stack([(x + 0.5) * tissue.um_x, (y + 0.5) * tissue.um_y], axis=1)
        highest[at] = _field_density(scattered, *fields, rules.radius_um).max()
    return highest


def _among_nuclei(
    nuclei: NDArray[np.float64],
    number: int,
    fields: tuple[NDArray[np.float64], NDArray[np.float64]],
    generator: np.random.Generator,
    rules: HotspotRules,
) -> NDArray[np.float64]:
    """Highest density in the fields each time this many labels are dealt to nuclei."""
    centres, area = fields
    x, y = np.ascontiguousarray(nuclei.T, np.float64)
    inside = points_inside(x, y, centres, rules.radius_um)
    counts = labels_in_fields(inside, number, generator, rules.relabellings)
    return np.asarray((counts / area).max(axis=1))
