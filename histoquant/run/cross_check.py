"""Some tiles of a slide read by a second, independent reader: identical pixels, or a flag."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from histoquant.errors import SlideError
from histoquant.slides import Slide
from histoquant.slides.second_reader import second_reader
from histoquant.tiling.tissue_map import TissueMap

EDGE_PX = 256


class CrossCheck(BaseModel):
    """What a second reader made of some windows of 256 x 256 level-0 px.

    Attributes
    ----------
    reader : str
        The second reader; empty where the format has only one.
    windows : int
        Windows that both read.
    differ : int
        Windows that are not identical, or that the second reader cannot read.
    greatest_difference : int
        Of any colour of any pixel, 0 to 255.
    """

    model_config = ConfigDict(frozen=True)

    reader: str = ""
    windows: int = 0
    differ: int = 0
    greatest_difference: int = 0

    @property
    def flag(self) -> str:
        """What a person should know; empty when both readers agree."""
        if not self.reader:
            return "NOT_CROSS_CHECKED"
        return "READERS_DISAGREE" if self.differ else ""


def cross_check(slide: Slide, tissue: TissueMap, count: int) -> CrossCheck:
    """Compare evenly spread windows on tissue.

    Parameters
    ----------
    slide : Slide
        Open slide.
    tissue : TissueMap
    count : int
        How many windows, at most as many as the tissue fills.

    Returns
    -------
    CrossCheck
    """
    other = second_reader(slide)
    if other is None:
        return CrossCheck()
    places = _places(slide, tissue, count)
    differ = greatest = 0
    with other:
        for x, y in places:
            size = min(EDGE_PX, slide.size_px[0] - x), min(EDGE_PX, slide.size_px[1] - y)
            mine, held = slide.read_level0(x, y, *size)
            try:
                theirs, held_there = other.read_level0(x, y, *size)
            except SlideError:
                differ += 1
                continue
            apart = int(np.abs(mine.astype(np.int16) - theirs).max())
            differ += apart > 0 or not np.array_equal(held, held_there)
            greatest = max(greatest, apart)
    return CrossCheck(reader=other.reader, windows=len(places), differ=differ, greatest_difference=greatest)


def _places(slide: Slide, tissue: TissueMap, count: int) -> list[tuple[int, int]]:
    """Corners of windows of a fixed grid that hold quantifiable tissue, evenly spread over their list."""
    rows, columns = np.nonzero(tissue.quantifiable)
    y_px = (rows + 0.5) * tissue.mpp_xy[1] / slide.mpp_xy[1]
    x_px = (columns + 0.5) * tissue.mpp_xy[0] / slide.mpp_xy[0]
    cells = sorted({(int(y) // EDGE_PX, int(x) // EDGE_PX) for y, x in zip(y_px, x_px, strict=True)})
    inside = [
        (x * EDGE_PX, y * EDGE_PX)
        for y, x in cells
        if x * EDGE_PX < slide.size_px[0] and y * EDGE_PX < slide.size_px[1]
    ]
    step = max(1, len(inside) // max(count, 1))
    return inside[::step][:count]
