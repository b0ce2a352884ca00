"""Which blocks of a slide the stain histogram is taken from: a function of the slide alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from histoquant.stains.density import WhiteLike, white_rgb
from histoquant.stains.estimate import MIN_PURITY, StainEstimate, estimate_vectors
from histoquant.stains.histogram import StainHistogram
from histoquant.stains.level import level_above
from histoquant.stains.vectors import StainVectors
from histoquant.tiling.survey import CELL_PX, SCALE_PX, PlaneLike, Survey
from histoquant.tiling.tissue import glass_margin
from histoquant.tiling.tissue_map import TissueMap

BLOCK_PX = 256
_MAPS = BLOCK_PX // SCALE_PX
_RUNS = np.repeat([[False], [True]], SCALE_PX, axis=1)  # of pixels that a map pixel holds in a row
_ALL = np.ones((BLOCK_PX, BLOCK_PX), np.bool_)
_ALL.flags.writeable = False
_TINT_RANK = 0.2
_TINT_MOST = 0.21  # sum of red, green and blue OD
_DARK_SHARE_PERCENT = 60  # at half, a sparse field's stroma is taken in
STANDARD_DARKNESS_OD = 0.32  # of rendered sections of normal strength: the levels of the histogram hold there
_SCALE_RANGE = (0.4, 3.0)  # more would find directions in noise


def sample_blocks(tissue_map: TissueMap, survey: Survey, *, limit: int = 64) -> npt.NDArray[np.int64]:
    """Choose the working-plane blocks that represent a slide's stains.

    Parameters
    ----------
    tissue_map : TissueMap
        Of the slide.
    survey : Survey
        Of the same slide.
    limit : int
        Most blocks to choose; 64 are 4 million pixels.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        x and y of the top-left corner of 256 x 256 px blocks in the working plane, in reading order. Half of
        them spread evenly over quantifiable tissue, half are the brownest of the rest, so that rare positive
        cells are seen on a nearly negative slide.
    """
    quantifiable = tissue_map.quantifiable
    share, brown = _pooled(quantifiable), _pooled(survey.brown * quantifiable)
    # blocks mostly of tissue when there are enough, else any with tissue
    full = share >= _MAPS * _MAPS // 2
    candidates = np.flatnonzero((full if np.count_nonzero(full) >= limit else share > 0).ravel())
    if candidates.size > limit:
        even = candidates[(np.arange(limit // 2) * candidates.size) // (limit // 2)]
        rest = np.setdiff1d(candidates, even)
        # a stable sort of the negated counts: ties in reading order
        brownest = rest[np.argsort(-brown.ravel()[rest], kind="stable")[: limit - even.size]]
        candidates = np.sort(np.concatenate([even, brownest]))
    row, column = np.divmod(candidates, share.shape[1])
    return np.stack([column, row], axis=1).astype(np.int64) * BLOCK_PX


def tissue_tint(survey: Survey, white_point: WhiteLike) -> tuple[float, float, float]:
    """Optical density of the palest tissue: what lies under every stained cell.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass.

    Returns
    -------
    tuple of 3 float
        Density in red, green and blue of the 2 um cells at the palest fifth of tissue; scaled down to a sum
        of 0.21, because more is stain and not tint; zeros without tissue. Use none for haematoxylin-eosin,
        where the tint is the eosin.
    """
    white = white_rgb(white_point)
    limit = max(0, int(white[1] - glass_margin(survey, white[1])))
    cells = survey.cell_colours[:limit]
    counts = cells[:, 0]
    brighter = np.cumsum(counts[::-1])[::-1] - counts
    chosen = np.flatnonzero((brighter <= _TINT_RANK * counts.sum()) & (counts > 0))
    if chosen.size == 0:
        return 0.0, 0.0, 0.0
    level = int(chosen[0])
    number, *sums = cells[max(level - 2, 0) : level + 3].sum(axis=0).tolist()
    mean = [max(value / (number * CELL_PX * CELL_PX), 1.0) for value in sums]
    od = [max(float(np.log10(w / m)), 0.0) for w, m in zip(white, mean, strict=True)]
    scale = min(1.0, _TINT_MOST / max(sum(od), _TINT_MOST))
    return od[0] * scale, od[1] * scale, od[2] * scale


def darkness_od(
    survey: Survey, white_point: WhiteLike, background_od: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> float:
    """How dark the stained part of a slide is, whatever stains it.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass.
    background_od : tuple of 3 float
        As `tissue_tint` gives it.

    Returns
    -------
    float
        Green optical density above the tint: the level that is the median of all 2 um cells above 0.6 of
        it; 0 where nothing is stained. It follows a tone curve's factor and not the number of cells.
    """
    white = white_rgb(white_point)[1]
    cells = survey.cell_colours[:, 0]
    mod = np.rint(1000 * (np.log10(white / np.maximum(np.arange(256) + 0.5, 1.0)) - background_od[1]))
    darker = mod >= 0
    counts = np.zeros(3001, dtype=np.int64)
    np.add.at(counts, np.minimum(mod[darker], 3000).astype(np.int64), cells[darker])
    return level_above(counts, _DARK_SHARE_PERCENT, 1)[0] / 1000


def level_scale(
    survey: Survey, white_point: WhiteLike, background_od: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> float:
    """Factor that brings a slide's densities to those the levels of `StainHistogram` are meant for.

    Without it the gate would keep the prior on a pale scan of a tissue and estimate on a contrasty one.

    Parameters
    ----------
    survey, white_point, background_od
        As for `darkness_od`.

    Returns
    -------
    float
        0.4 to 3; 1 where nothing is stained.
    """
    dark = darkness_od(survey, white_point, background_od)
    low, high = _SCALE_RANGE
    return min(max(STANDARD_DARKNESS_OD / dark, low), high) if dark > 0 else 1.0


def stain_histogram(
    plane: PlaneLike,
    blocks: npt.NDArray[np.int64],
    tissue_map: TissueMap,
    white_point: WhiteLike,
    background_od: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
) -> StainHistogram:
    """Histogram of the quantifiable tissue in the given blocks.

    Parameters
    ----------
    plane : Plane
        Working plane.
    blocks : ndarray of int64, shape (n, 2)
        As `sample_blocks` gives them.
    tissue_map : TissueMap
        Of the same slide; glass, debris and artefacts are left out.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass.
    background_od : tuple of 3 float
        As `tissue_tint` gives it.
    scale : float
        As `StainHistogram.scale`.

    Returns
    -------
    StainHistogram
    """

    def pixels() -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]]:
        for x, y in blocks.tolist():
            rgb, valid = plane.read(x, y, BLOCK_PX, BLOCK_PX)
            yield rgb, block_mask(tissue_map, x, y) & valid

    return StainHistogram.empty(white_point, background_od, scale).add_all(pixels())


def block_mask(tissue_map: TissueMap, x: int, y: int) -> npt.NDArray[np.bool_]:
    """Quantifiable pixels of the 256 x 256 px block at x, y.

    Parameters
    ----------
    tissue_map : TissueMap
    x, y : int
        Top-left corner in the working plane, multiples of 16.

    Returns
    -------
    ndarray of bool, shape (256, 256)
        Not to be written to.
    """
    row, column = y // SCALE_PX, x // SCALE_PX
    here = np.s_[row : row + _MAPS, column : column + _MAPS]
    part = tissue_map.tissue[here] & (tissue_map.excluded[here] == 0)
    if part.size == _MAPS * _MAPS and part.all():
        return _ALL  # as of most blocks
    counts = np.zeros((_MAPS, _MAPS), dtype=np.intp)
    counts[: part.shape[0], : part.shape[1]] = part
    # rows of map pixels, then each as often as it is high: whole rows are copied at once
    return np.repeat(_RUNS[counts].reshape(_MAPS, BLOCK_PX), SCALE_PX, axis=0)


def _pooled(values: npt.NDArray[np.integer | np.bool_]) -> npt.NDArray[np.int64]:
    """Sums over the 16 x 16 map pixels of each block."""
    rows, columns = -(-values.shape[0] // _MAPS), -(-values.shape[1] // _MAPS)
    padded = np.zeros((rows * _MAPS, columns * _MAPS), dtype=values.dtype)
    padded[: values.shape[0], : values.shape[1]] = values
    return np.asarray(padded.reshape(rows, _MAPS, columns, _MAPS).sum(axis=(1, 3), dtype=np.int64))


def slide_vectors(
    plane: PlaneLike,
    survey: Survey,
    tissue_map: TissueMap,
    white_point: WhiteLike,
    prior: StainVectors,
    min_purity: float = MIN_PURITY,
) -> StainEstimate:
    """Estimate a slide's stain vectors from its own tissue: blocks, tint, histogram and gate in one.

    Parameters
    ----------
    plane : Plane
        Working plane.
    survey : Survey
        Of that plane.
    tissue_map : TissueMap
        Of that plane.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass.
    prior : StainVectors
        ``H_DAB`` or ``H_E``; what a stain falls back to.
    min_purity : float
        As for `estimate_vectors`.

    Returns
    -------
    StainEstimate
        A function of the slide alone, whatever the tiling or the order of reading.
    """
    # in haematoxylin-eosin the tint of the tissue is the second stain itself
    tint = tissue_tint(survey, white_point) if prior.names[1] == "dab" else (0.0, 0.0, 0.0)
    blocks = sample_blocks(tissue_map, survey)
    scale = level_scale(survey, white_point, tint)
    histogram = stain_histogram(plane, blocks, tissue_map, white_point, tint, scale)
    return estimate_vectors(histogram, prior, min_purity)
