"""The white point: what empty glass looks like on this slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from histoquant.stains.density import white_rgb
from histoquant.tiling.survey import CELL_PX, CELLS, SCALE_PX, Survey
from histoquant.tiling.tissue import flat_blocks

WhiteSource = Literal["glass", "brightest background", "prior"]
NO_GLASS = "NO_GLASS"

# Empty glass on usual scanners reads 215 to 250; 243 is the Aperio one.
PRIOR_RGB = (243.0, 243.0, 243.0)

_DIMMEST_BACKGROUND = 190.0  # 0.1 OD under the prior: darker "background" is stained tissue
_PEAK_SHARE = 0.2  # of the tallest peak: smaller bright peaks are bubbles and reflections
_PEAK_HALF_WIDTH = 3  # grey levels: JPEG steps and shading of one glass
_MIN_BLOCKS = 4
_MIN_SHARE = 0.0005  # of all map pixels
# Glass is the brightest thing on a slide. With more cells than these 3 % above the peak, the peak is tissue;
# refraction beside edges is bright too, but little beside real glass.
_BRIGHTER_SHARE = 0.01  # of all cells
_BRIGHTER_OF_PEAK = 0.2
_BRIGHTER = 1.03


@dataclass(frozen=True)
class WhitePoint:
    """Intensity of empty glass.

    Attributes
    ----------
    rgb : tuple of 3 float
        Intensity in red, green and blue, 1 to 255.
    source : str
        ``"glass"``, ``"brightest background"`` or ``"prior"``.
    flags : tuple of str
        ``("NO_GLASS",)`` unless the source is glass.
    """

    rgb: tuple[float, float, float]
    source: WhiteSource = "glass"
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rgb", white_rgb(self.rgb))


def white_point(survey: Survey) -> WhitePoint:
    """Find the white point of a slide or field.

    Parameters
    ----------
    survey : Survey
        Of the working plane.

    Returns
    -------
    WhitePoint
        Source ``"glass"``: mean colour around the mode of bright map pixels that are flat beyond pixel noise.
        Source ``"brightest background"``: nothing is that flat, so the colour of the brightest hundredth of
        the 2 um cells stands in. Source ``"prior"``: even that is stained, so 243 in every channel.
        The last two carry the flag ``NO_GLASS``.
    """
    found = _glass(survey)
    if found is not None:
        return WhitePoint(found, "glass")
    found = _brightest(survey)
    if found is not None:
        return WhitePoint(found, "brightest background", (NO_GLASS,))
    return WhitePoint(PRIOR_RGB, "prior", (NO_GLASS,))


def _glass(survey: Survey) -> tuple[float, float, float] | None:
    """Mean colour of the flat map pixels around the brightest substantial peak, if there is one."""
    flat = flat_blocks(survey)
    paper = _paper_white(survey)
    least = max(_MIN_BLOCKS, int(_MIN_SHARE * np.count_nonzero(survey.counted)))
    # white padding is flat too, and no glass when real glass is there
    padded = np.count_nonzero(flat & ~paper) >= least
    if padded:
        flat &= ~paper
    sums = survey.sums[flat]
    levels = sums.sum(axis=1, dtype=np.int64) // (3 * SCALE_PX * SCALE_PX)
    peak = _brightest_peak(np.bincount(levels, minlength=256))
    members = np.abs(levels - peak) <= _PEAK_HALF_WIDTH
    count = int(np.count_nonzero(members))
    if count < least:
        return None
    mean = sums[members].sum(axis=0, dtype=np.int64) / (count * SCALE_PX * SCALE_PX)
    cells = (_colours_of_content(survey) if padded else survey.cell_colours)[:, 0]
    brighter = cells[int(np.ceil(min(mean[1] * _BRIGHTER, 255.0))) :].sum()
    peak_cells = count * CELLS * CELLS
    allowed = max(_BRIGHTER_SHARE * cells.sum(), _BRIGHTER_OF_PEAK * peak_cells)
    if mean[1] * _BRIGHTER < 255 and brighter > allowed:
        return None
    return float(mean[0]), float(mean[1]), float(mean[2])


def _paper_white(survey: Survey) -> npt.NDArray[np.bool_]:
    """Map pixels that are 255 in every channel of every pixel: padding, or an overexposed scan."""
    red, green, blue = (survey.sums[..., k] == 255 * SCALE_PX * SCALE_PX for k in range(3))
    return np.asarray(red & green & blue)


def _colours_of_content(survey: Survey) -> npt.NDArray[np.int64]:
    """Colours of complete cells, as `Survey.cell_colours`, without paper-white map pixels."""
    colours = survey.cell_colours.copy()
    cells = int(np.count_nonzero(_paper_white(survey))) * CELLS * CELLS
    colours[255] -= cells * np.array([1, *[255 * CELL_PX * CELL_PX] * 3])
    return np.asarray(colours, dtype=np.int64)


def _brightest_peak(histogram: npt.NDArray[np.int64]) -> int:
    """Level of the brightest local maximum that holds a substantial share."""
    mass = np.convolve(histogram, np.ones(5, dtype=np.int64), mode="same")
    level = int(np.flatnonzero(mass >= max(1.0, _PEAK_SHARE * mass.max()))[-1]) if mass.max() else 0
    while level > 0 and mass[level - 1] >= mass[level]:
        level -= 1
    return level


def _brightest(survey: Survey) -> tuple[float, float, float] | None:
    """Mean colour of the brightest hundredth of the cells, without its brightest tenth."""
    colours = _colours_of_content(survey)
    counts = colours[:, 0]
    total = int(counts.sum())
    if total == 0:
        return None
    # rank from the bright end; the very brightest are refraction at edges
    above = np.cumsum(counts[::-1])[::-1] - counts
    chosen = (above < 0.01 * total) & (above + counts > 0.001 * total)
    number, *sums = colours[chosen].sum(axis=0).tolist()
    mean = [value / (number * CELL_PX * CELL_PX) for value in sums]
    return (mean[0], mean[1], mean[2]) if min(mean) >= _DIMMEST_BACKGROUND else None
