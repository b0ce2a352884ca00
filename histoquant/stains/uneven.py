"""Unspecific DAB that changes over the tissue: its map, a function of the whole slide, fixed in the plan.

One threshold cannot follow a background that is 0.05 OD here and 0.2 OD there. The survey keeps, for every
8 um of the slide, its mean colour and that of its least brown 2 um; where both are brown to the same small
amount there is haze and no marker. A coarse grid takes the local median of such places, and what lies over
the slide's own cleanest tissue is taken off the DAB of every pixel before anything is found or measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.errors import StoreError
from histoquant.stains.density import MOD_PER_OD, WhiteLike, unmix_mod
from histoquant.stains.settings import STANDARD_HEMATOXYLIN_OD
from histoquant.stains.vectors import StainVectors
from histoquant.tiling.maps import bands
from histoquant.tiling.survey import SCALE_PX, Survey
from histoquant.tiling.tissue_map import TissueMap

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

UNEVEN_BACKGROUND = "UNEVEN_BACKGROUND"

STEP_MAPS = 4  # map px between grid nodes: 32 um at 0.5 um/px
STEP_PX = STEP_MAPS * SCALE_PX
_REACH_UM = 40.0  # half the side of a node's square: wider than the largest macrophage
_WIDENINGS = (
    3  # squares of 80, 160 and 320 um; within a larger sheet of cells nothing is known, and none taken
)

# In thousandths of OD on a slide of standard strength. On phantoms and real sections without haze the local
# medians differ by less than 30 between their tenth and their ninetieth part, sheets of B cells included;
# with clouds of 0.02 - 0.18 OD by 90.
_FLAT_MOD = 60  # a place browner than its own least brown 2 um by more holds stain
_MOST_MOD = 250  # evenly brown beyond is stained cytoplasm (colon epithelium 0.3 - 0.5 OD), not haze
_KEPT_MOD = 30  # over the cleanest tissue: no reason to touch the slide
_CLOUD_MOD = 60  # over the cleanest tissue: a cloud
_CLEAN_RANK = 0.1
_LEAST_PLACES = 8
_LEAST_SHARE = 4  # one in four places of a square
_LEAST_CLOUD_MM2 = 0.01
_LEAST_CLOUD_PERCENT = 1.0
_SCALE_RANGE = (0.75, 1.6)  # scanners' tone curves; beyond it is the staining that differs
_UNKNOWN = -32768


@dataclass(frozen=True, eq=False)
class HazeMap:
    """DAB to be taken off, on a coarse grid of the working plane.

    Attributes
    ----------
    excess_mod : ndarray of int16, shape (h, w)
        Thousandths of OD at the nodes, not negative; node (j, i) lies at pixel (j, i) times ``step_px``.
    step_px : int
        Working pixels between nodes.
    """

    excess_mod: Int16Array
    step_px: int = STEP_PX

    def window(self, x: int, y: int, width: int, height: int) -> Int16Array:
        """Excess of a window, interpolated between nodes in whole numbers.

        Parameters
        ----------
        x, y : int
            Top-left pixel in the working plane; may lie outside.
        width, height : int
            Pixels.

        Returns
        -------
        ndarray of int16, shape (height, width)
            Thousandths of OD; the same for a pixel in every window.
        """
        out = np.empty((height, width), np.int16)
        _interpolate(self.excess_mod, self.step_px, x, y, out)
        return out

    def digest(self) -> str:
        """SHA-256 of the nodes, their shape and their spacing."""
        head = f"{self.excess_mod.shape} {self.step_px} ".encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.excess_mod, "<i2").tobytes()).hexdigest()

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Plain arrays to be stored, without loss."""
        return {"haze_excess_mod": self.excess_mod, "haze_step_px": np.asarray(self.step_px, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> HazeMap:
        """Map from the arrays of `to_arrays`.

        Raises
        ------
        StoreError
            If an array is missing.
        """
        missing = {"haze_excess_mod", "haze_step_px"} - set(arrays)
        if missing:
            raise StoreError(f"stored haze map lacks {', '.join(sorted(missing))}; delete it and run again")
        step = int(np.asarray(arrays["haze_step_px"]))
        return cls(np.asarray(arrays["haze_excess_mod"]).astype(np.int16), step)


@dataclass(frozen=True, eq=False)
class Unevenness:
    """What the survey says about a slide's background.

    Attributes
    ----------
    haze : HazeMap or None
        None where the background is even enough for one threshold.
    reason : str
        Why, with the numbers.
    diagnostics : dict of str to float
        ``clean_od``, ``cloud_od`` (the tenth and ninetieth part of local medians), ``cloud_mm2``,
        ``cloud_percent`` of tissue; empty where nothing is known.
    """

    haze: HazeMap | None
    reason: str
    diagnostics: dict[str, float]


def find_unevenness(
    survey: Survey,
    tissue_map: TissueMap,
    vectors: StainVectors,
    white_point: WhiteLike,
    hematoxylin_od: float | None,
) -> Unevenness:
    """Map the unspecific DAB of a slide where it changes over the tissue.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    tissue_map : TissueMap
        Of the same slide.
    vectors : StainVectors
        The slide's.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass.
    hematoxylin_od : float or None
        Strength of the slide's haematoxylin, by which the levels follow a scanner's tone curve.

    Returns
    -------
    Unevenness

    Notes
    -----
    At a node the level is the median DAB of flat places (the mean of 8 um within 0.06 OD of its least brown
    2 um, and below 0.25 OD) in the smallest square of 80, 160 or 320 um in which a quarter of the tissue is
    flat. With e the level over the tenth part of all levels, ``min(e, max(0, 2 (e - 0.03)))`` is taken off:
    nothing below 0.03 OD, all of it from 0.06 OD on. A sheet of stained cells is not flat, and what is evenly
    brown beyond haze is left as it is. Without at least 0.01 mm2 and 1 % of tissue under clouds of 0.06 OD
    nothing is taken off anywhere.
    """
    strength = (hematoxylin_od or STANDARD_HEMATOXYLIN_OD) / STANDARD_HEMATOXYLIN_OD
    scale = min(max(strength, _SCALE_RANGE[0]), _SCALE_RANGE[1])
    mean, flat = _flat_places(survey, tissue_map, vectors, white_point, scale)
    um = float(np.sqrt(survey.map_mpp_xy[0] * survey.map_mpp_xy[1]))
    rows, columns = (-(-side // STEP_MAPS) + 1 for side in flat.shape)
    level = np.full((rows, columns), _UNKNOWN, np.int32)
    near = np.zeros((rows, columns), np.bool_)
    reach = max(2, round(_REACH_UM / um))
    _levels(mean, flat, tissue_map.quantifiable, reach, level, near)
    known = level[near]
    if not known.size:
        return Unevenness(None, "background: no flat tissue in which to tell haze", {})
    ordered = np.sort(known)
    clean, cloudy = (int(ordered[int(rank * (ordered.size - 1))]) for rank in (_CLEAN_RANK, 1 - _CLEAN_RANK))
    excess = np.where(level == _UNKNOWN, 0, level - clean)
    clouds = int(np.count_nonzero(excess[near] >= round(_CLOUD_MOD * scale)))
    mm2 = clouds * (STEP_MAPS * um) ** 2 * 1e-6
    percent = 100.0 * clouds / known.size
    found = {
        "clean_od": clean / MOD_PER_OD,
        "cloud_od": cloudy / MOD_PER_OD,
        "cloud_mm2": mm2,
        "cloud_percent": percent,
    }
    over = f"{_CLOUD_MOD * scale / MOD_PER_OD:.3f} OD browner than its cleanest tenth"
    said = f"{mm2:.3f} mm2 ({percent:.1f} %) of tissue are {over}"
    if mm2 < _LEAST_CLOUD_MM2 or percent < _LEAST_CLOUD_PERCENT:
        return Unevenness(None, f"background: even; {said}", found)
    taken = np.minimum(excess, np.maximum(0, 2 * (excess - round(_KEPT_MOD * scale))))
    taken = np.maximum(taken, 0).astype(np.int16)
    return Unevenness(HazeMap(taken), f"background: uneven, and taken off; {said}", found)


def without_haze(dab: Int16Array, excess: Int16Array) -> Int16Array:
    """DAB less haze, never brought below zero by it.

    Parameters
    ----------
    dab, excess : ndarray of int16, shape (h, w)
        Thousandths of OD.

    Returns
    -------
    ndarray of int16, shape (h, w)
        Noise below zero stays as it is: a mean over clipped noise would not be zero.
    """
    return np.asarray(np.maximum(dab - excess, np.minimum(dab, np.int16(0))), np.int16)


def _flat_places(
    survey: Survey, tissue_map: TissueMap, vectors: StainVectors, white_point: WhiteLike, scale: float
) -> tuple[Int32Array, BoolArray]:
    """Mean DAB of every map pixel in thousandths, and where it is as brown as its least brown part."""
    mean = np.empty(survey.shape, np.int32)
    flat = tissue_map.quantifiable & (survey.counted == SCALE_PX * SCALE_PX)
    for band in bands(survey.shape[0]):
        counted = np.maximum(survey.counted[band].astype(np.int64), 1)[..., None]
        colour = ((2 * survey.sums[band].astype(np.int64) + counted) // (2 * counted)).astype(np.uint8)
        mean[band] = unmix_mod(colour, vectors, white_point)[1]
        least = unmix_mod(survey.least_rgb[band], vectors, white_point)[1].astype(np.int32)
        flat[band] &= mean[band] - least < round(_FLAT_MOD * scale)
    flat &= mean < round(_MOST_MOD * scale)
    return mean, np.asarray(flat)


@njit(cache=True, nogil=True)
def _levels(mean, flat, tissue, reach, level, near):  # type: ignore[no-untyped-def]
    """Median of flat places in the smallest square that holds enough of them; ``near`` where tissue is."""
    height, width = flat.shape
    room = np.empty(((2 * reach << (_WIDENINGS - 1)) ** 2) + 1, np.int32)
    flats, tissues = np.empty((_WIDENINGS, width + 1), np.int32), np.empty((_WIDENINGS, width + 1), np.int32)
    for j in range(level.shape[0]):
        for k in range(_WIDENINGS):
            rows = _clipped(STEP_MAPS * j, reach << k, height)
            _count_before(flat[rows], flats[k])
            _count_before(tissue[rows], tissues[k])
        for i in range(level.shape[1]):
            for k in range(_WIDENINGS):
                columns = _clipped(STEP_MAPS * i, reach << k, width)
                held = flats[k, columns.stop] - flats[k, columns.start]
                total = tissues[k, columns.stop] - tissues[k, columns.start]
                if total == 0:
                    break  # off tissue
                if held >= _LEAST_PLACES and held * _LEAST_SHARE >= total:
                    rows = _clipped(STEP_MAPS * j, reach << k, height)
                    _gather(mean[rows, columns], flat[rows, columns], room)
                    level[j, i] = _at_rank(room[:held], (held - 1) // 2)
                    near[j, i] = k == 0
                    break


@njit(cache=True, nogil=True)
def _clipped(middle, half, side):  # type: ignore[no-untyped-def]
    """Rows or columns of a square, as far as they lie on the map."""
    return slice(min(max(0, middle - half), side), min(side, middle + half))


@njit(cache=True, nogil=True)
def _count_before(mask, counts):  # type: ignore[no-untyped-def]
    """Pixels of a mask left of each edge of its columns: of a whole map they would be four times the map."""
    counts[:] = 0
    columns = counts[1:]
    for row in mask:
        for x in range(columns.size):
            columns[x] += row[x]
    for x in range(1, columns.size):
        columns[x] += columns[x - 1]


@njit(cache=True, nogil=True)
def _gather(values, mask, room):  # type: ignore[no-untyped-def]
    """Values on a mask one after the other, without a branch: what is not on it is written over."""
    held = 0
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            room[held] = values[y, x]
            held += mask[y, x]


@njit(cache=True, nogil=True)
def _at_rank(values, rank):  # type: ignore[no-untyped-def]
    """Value at a rank, the lowest being 0, by Hoare's selection, a quarter of sorting; reorders values."""
    low, high = 0, values.size - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if j < rank < i:
            break
        if rank <= j:
            high = j
        else:
            low = i
    return values[rank]


@njit(cache=True, nogil=True)
def _interpolate(nodes, step, x0, y0, out):  # type: ignore[no-untyped-def]
    """Bilinear in whole numbers, rounded half up; beyond the last nodes their value is held."""
    rows, columns = nodes.shape
    for y in range(out.shape[0]):
        j, fy = (y + y0) // step, (y + y0) % step
        top, bottom = min(max(j, 0), rows - 1), min(max(j + 1, 0), rows - 1)
        for x in range(out.shape[1]):
            i, fx = (x + x0) // step, (x + x0) % step
            left, right = min(max(i, 0), columns - 1), min(max(i + 1, 0), columns - 1)
            upper = (step - fx) * np.int64(nodes[top, left]) + fx * np.int64(nodes[top, right])
            lower = (step - fx) * np.int64(nodes[bottom, left]) + fx * np.int64(nodes[bottom, right])
            out[y, x] = (2 * ((step - fy) * upper + fy * lower) + step * step) // (2 * step * step)
