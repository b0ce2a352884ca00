"""Stain vectors of a slide from its histogram, with a gate that prefers the prior to a guess."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from histoquant.stains.histogram import BINS, LEVEL_OD, StainHistogram
from histoquant.stains.vectors import StainVectors, angle_deg

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]

# The gate of the design: closer stains cannot be told apart, farther from the prior is another dye or an
# error, fewer pixels are noise.
MIN_ANGLE_DEG = 20.0
MAX_SHIFT_DEG = 15.0
MIN_PIXEL_PERCENT = 0.5
MAX_RESIDUAL = 0.10  # mean share of density outside the plane of both stains
# Half of the second stain's pixels must lie this far from haematoxylin, in parts of the prior's angle: where
# every stained pixel holds a nucleus too, its direction is a mixture and says nothing about the stain.
MIN_PURITY = 0.6
# Walls of vessels and cytoplasm lie beside nuclei: the far end of their lobe is pure, however much of its
# middle is not. That middle moves with the scanner's colours: walls of one tissue measure 0.59 on a flat,
# warm scanner and 0.77 on a saturated one. At 0.6 one tissue was read with its own brown on one scanner and
# with the prior on another, and what the prior left of brown in haematoxylin passed for nuclei.
PURITY_BESIDE_NUCLEI = 0.5

_DIRECTION_LEVELS = slice(2, 6)  # sums 0.45 to 2.2 OD: above noise, below where stray light greys the stain
_DARK_LEVELS = slice(6, 8)  # counted, because dark stain is stain, but without a say on direction
_AMOUNT_OD = (0.20, 0.37, 0.56, 0.84, 1.22, 1.80, 2.60, 3.60)  # middle of each level
_FIRST_LOBE = (-20.0, 0.35)  # degrees; part of the prior's angle
_SECOND_LOBE = (0.5, 20.0)  # part of the prior's angle; degrees beyond it
_DARK_LOBE = 0.4  # part of the prior's angle: opaque stain drifts towards grey
_MAX_OFF_PLANE_DEG = 12.0  # ink lies farther out
_GREY_CONE_DEG = 6.5  # pigment and carbon; equal amounts of both stains stay outside
_OFF_PLANE_SPREAD_DEG = 5.0  # around the median of a lobe
# Tail over which a direction is averaged, by amount of stain: far enough out to leave mixtures behind, short
# of the extreme that noise makes.
_FIRST_TAIL = (0.05, 0.50)
_SECOND_TAIL = (0.75, 0.98)


@dataclass(frozen=True)
class StainEstimate:
    """Stain vectors and where they came from.

    Attributes
    ----------
    vectors : StainVectors
        To unmix with.
    source : str
        ``"estimated"``, ``"prior"``, or which stain was estimated, as in
        ``"hematoxylin estimated, DAB prior"``.
    reason : str
        Why anything was left at the prior, with the numbers; empty when both were estimated.
    diagnostics : dict of str to float
        Pixel percentages, angles and residual behind the decision.
    """

    vectors: StainVectors
    source: str
    reason: str = ""
    diagnostics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """One stain's candidate direction."""

    direction: FloatArray | None
    percent: float
    middle_deg: float
    shift_deg: float


def estimate_vectors(
    histogram: StainHistogram, prior: StainVectors, min_purity: float = MIN_PURITY
) -> StainEstimate:
    """Estimate both stains' directions, each falling back to the prior when it fails the gate.

    Parameters
    ----------
    histogram : StainHistogram
        Of quantifiable tissue.
    prior : StainVectors
        Published directions, for example ``H_DAB``.
    min_purity : float
        How far from haematoxylin half of the second stain's pixels must lie, in parts of the prior's angle:
        ``PURITY_BESIDE_NUCLEI`` where the marker is known to stain what is not nucleus.

    Returns
    -------
    StainEstimate

    Notes
    -----
    Directions are measured in the plane of the prior's stains. Each estimate is the mean over the outer tail
    of its stain's lobe, weighted by amount of stain: never one extreme pixel, and never the middle of the
    lobe, where both stains mix. The gate: at least 0.5 % of tissue pixels, at most 15 degrees from the prior,
    at least 20 degrees between stains, at most 10 % residual, and a second stain that also occurs without
    haematoxylin. Opaque pixels count as the stain whose side they are on but do not tell its direction.
    """
    view = _View.of(histogram, prior)
    first = view.first(prior)
    second = view.second(prior)
    names = prior.names
    reasons = [
        _objection(names[0], first, purity_deg=None),
        _objection(
            names[1], second, purity_deg=(second.middle_deg - first.middle_deg, min_purity * prior.angle_deg)
        ),
    ]
    rows = [
        prior.matrix[k] if reasons[k] or found.direction is None else found.direction
        for k, found in enumerate((first, second))
    ]
    diagnostics = {
        "pixels": float(histogram.total),
        f"{names[0]}_percent": first.percent,
        f"{names[1]}_percent": second.percent,
        f"{names[0]}_shift_deg": first.shift_deg,
        f"{names[1]}_shift_deg": second.shift_deg,
        "foreign_percent": view.foreign_percent,
        "angle_deg": angle_deg(rows[0], rows[1]),
    }
    joint = _joint_objection(view, rows, diagnostics)
    if joint:
        return StainEstimate(prior, "prior", joint, diagnostics)
    vectors = StainVectors.from_pair(rows[0].tolist(), rows[1].tolist(), (names[0], names[1]))
    if all(reasons):
        vectors = prior
    return StainEstimate(vectors, _source(names, reasons), "; ".join(r for r in reasons if r), diagnostics)


def _objection(name: str, found: _Found, purity_deg: tuple[float, float] | None) -> str:
    """Why a stain's direction is not taken, or nothing."""
    label = _label(name)
    if found.percent < MIN_PIXEL_PERCENT:
        return f"too few {label} pixels: {found.percent:.2f} % < {MIN_PIXEL_PERCENT} %"
    if found.direction is None:
        return f"no {label} pixels of moderate density"
    if purity_deg is not None and purity_deg[0] < purity_deg[1]:
        return (
            f"{label} only mixed with hematoxylin: half of it within {purity_deg[0]:.1f} degrees, "
            f"{purity_deg[1]:.1f} needed"
        )
    if found.shift_deg > MAX_SHIFT_DEG:
        return f"{label} {found.shift_deg:.1f} degrees from the prior, more than {MAX_SHIFT_DEG:g}"
    return ""


def _joint_objection(view: _View, rows: list[FloatArray], diagnostics: dict[str, float]) -> str:
    """Why the two directions cannot be used together, or nothing."""
    if diagnostics["angle_deg"] < MIN_ANGLE_DEG:
        return f"stains only {diagnostics['angle_deg']:.1f} degrees apart, less than {MIN_ANGLE_DEG:g}"
    diagnostics["residual_share"] = view.residual(np.cross(rows[0], rows[1]))
    if diagnostics["residual_share"] > MAX_RESIDUAL:
        return f"residual {diagnostics['residual_share']:.2f} of the density, more than {MAX_RESIDUAL}"
    return ""


def _source(names: tuple[str, str, str], reasons: list[str]) -> str:
    if not any(reasons):
        return "estimated"
    if all(reasons):
        return "prior"
    return ", ".join(
        f"{_label(name)} {'prior' if reason else 'estimated'}"
        for name, reason in zip(names, reasons, strict=False)
    )


def _label(name: str) -> str:
    return "DAB" if name == "dab" else name


@dataclass(frozen=True)
class _Directions:
    """Histogram bins as directions: angle in a prior's plane from haematoxylin, and angle out of it."""

    unit: FloatArray  # (bins, 3)
    in_plane_deg: FloatArray
    off_plane_deg: FloatArray
    by_in_plane: Int64Array  # bins in the order of their angles
    by_off_plane: Int64Array
    grey: BoolArray

    @classmethod
    def of(cls, prior: StainVectors) -> _Directions:
        share = (np.arange(BINS) + 0.5) / BINS
        red, green = np.meshgrid(share, share, indexing="ij")
        unit = np.stack([red, green, np.maximum(1.0 - red - green, 0.0)], axis=-1).reshape(-1, 3)
        unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
        grey = np.degrees(np.arccos(np.clip(unit.sum(axis=1) / np.sqrt(3.0), -1.0, 1.0))) < _GREY_CONE_DEG
        first = prior.matrix[0]
        normal = np.cross(first, prior.matrix[1])
        normal = normal / np.linalg.norm(normal)
        in_plane = np.degrees(np.arctan2(unit @ np.cross(normal, first), unit @ first))
        off_plane = np.degrees(np.arcsin(np.clip(unit @ normal, -1.0, 1.0)))
        orders = [np.argsort(angle, kind="stable") for angle in (in_plane, off_plane)]
        return cls(unit, in_plane, off_plane, orders[0], orders[1], grey)


# of a run's priors, of which there are two: sorting its bins takes longer than all else of an estimate
_directions = lru_cache(maxsize=4)(_Directions.of)


@dataclass(frozen=True)
class _View:
    """What a histogram's bins hold, and their directions."""

    bins: _Directions
    weight: FloatArray  # amount of stain in the bin, levels that tell direction
    moderate: FloatArray  # pixels in those levels
    dark: FloatArray  # pixels in darker levels
    foreign_percent: float  # of coloured pixels: those that neither stain nor a mixture of both can make
    total: int

    @classmethod
    def of(cls, histogram: StainHistogram, prior: StainVectors) -> _View:
        bins = _directions(prior)
        counts = histogram.counts.reshape(len(LEVEL_OD), -1).astype(np.float64)
        counts[:, bins.grey] = 0.0
        off = np.abs(bins.off_plane_deg) > _MAX_OFF_PLANE_DEG
        beyond = bins.in_plane_deg < _FIRST_LOBE[0]
        beyond |= bins.in_plane_deg > prior.angle_deg + _SECOND_LOBE[1]
        coloured = counts[_DIRECTION_LEVELS.start :].sum(axis=0)
        foreign = 100.0 * float(coloured[off | beyond].sum()) / max(float(coloured.sum()), 1.0)
        counts[:, off] = 0.0
        amounts = np.asarray(_AMOUNT_OD)[_DIRECTION_LEVELS]
        return cls(
            bins,
            amounts @ counts[_DIRECTION_LEVELS],
            counts[_DIRECTION_LEVELS].sum(axis=0),
            counts[_DARK_LEVELS].sum(axis=0),
            foreign,
            histogram.total,
        )

    def first(self, prior: StainVectors) -> _Found:
        """Haematoxylin: the lobe on its side, averaged away from the other stain."""
        angle = self.bins.in_plane_deg
        lobe = (angle >= _FIRST_LOBE[0]) & (angle <= _FIRST_LOBE[1] * prior.angle_deg)
        return self._found(lobe, float((self.moderate + self.dark)[lobe].sum()), _FIRST_TAIL, prior.matrix[0])

    def second(self, prior: StainVectors) -> _Found:
        """DAB or eosin: the lobe on its side; opaque pixels count, wherever between the stains they drift."""
        angle = prior.angle_deg
        outer = self.bins.in_plane_deg <= angle + _SECOND_LOBE[1]
        lobe = outer & (self.bins.in_plane_deg >= _SECOND_LOBE[0] * angle)
        dark = outer & (self.bins.in_plane_deg >= _DARK_LOBE * angle)
        pixels = float(self.moderate[lobe].sum() + self.dark[dark].sum())
        return self._found(lobe, pixels, _SECOND_TAIL, prior.matrix[1])

    def residual(self, normal: FloatArray) -> float:
        """Mean share of density out of a plane, by amount."""
        total = float(self.weight.sum())
        unit = normal / np.linalg.norm(normal)
        return float(self.weight @ np.abs(self.bins.unit @ unit)) / total if total > 0 else 0.0

    def _found(self, lobe: BoolArray, pixels: float, tail: tuple[float, float], prior: FloatArray) -> _Found:
        percent = 100.0 * pixels / self.total if self.total else 0.0
        weight = np.where(lobe, self.weight, 0.0)
        if weight.sum() <= 0.0:
            return _Found(None, percent, 0.0, 0.0)
        along, across = self.bins.in_plane_deg, self.bins.off_plane_deg
        centre = _quantile(across, self.bins.by_off_plane, weight, 0.5)
        weight[np.abs(across - centre) > _OFF_PLANE_SPREAD_DEG] = 0.0
        low, middle, high = (
            _quantile(along, self.bins.by_in_plane, weight, share) for share in (tail[0], 0.5, tail[1])
        )
        weight_tail = np.where((along >= low) & (along <= high), weight, 0.0)
        direction = weight_tail @ self.bins.unit
        direction = direction / np.linalg.norm(direction)
        return _Found(direction, percent, middle, angle_deg(direction, prior))


def _quantile(values: FloatArray, order: Int64Array, weight: FloatArray, share: float) -> float:
    """Smallest value, of values in a given order, with at least the given share of the weight up to it."""
    cumulative = np.cumsum(weight[order])
    index = int(np.searchsorted(cumulative, share * cumulative[-1]))
    return float(values[order[min(index, values.size - 1)]])
