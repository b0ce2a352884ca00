"""A plane over an array, and sections painted with known area and stains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from histoquant.stains import H_DAB, white_point
from histoquant.tiling.survey import survey
from histoquant.tiling.tissue_map import TissueMap, map_tissue

WHITE = (240.0, 241.0, 238.0)


@dataclass
class ArrayPlane:
    rgb: np.ndarray
    mpp: float = 0.5
    valid: np.ndarray | None = None

    @property
    def size_px(self) -> tuple[int, int]:
        return self.rgb.shape[1], self.rgb.shape[0]

    @property
    def mpp_xy(self) -> tuple[float, float]:
        return self.mpp, self.mpp

    def read(self, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        out = np.full((height, width, 3), 255, np.uint8)
        ok = np.zeros((height, width), bool)
        columns, rows = self.size_px
        x0, x1, y0, y1 = max(x, 0), min(x + width, columns), max(y, 0), min(y + height, rows)
        if x1 > x0 and y1 > y0:
            here = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
            out[here] = self.rgb[y0:y1, x0:x1]
            ok[here] = True if self.valid is None else self.valid[y0:y1, x0:x1]
            out[~ok] = 255
        return out, ok


@dataclass
class Section:
    """Optical density of a section on glass; add to it, then photograph it."""

    od: np.ndarray
    tissue: np.ndarray
    seed: int
    white: tuple[float, float, float] = WHITE
    noise: float = 1.2
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    @property
    def tissue_mm2(self) -> float:
        return float(self.tissue.sum()) * 0.25e-6

    def cells(self, count: int, hematoxylin_od: float, dab_od: float, radius_px: int = 7) -> Section:
        inside = np.argwhere(cv2.erode(self.tissue.astype(np.uint8), np.ones((21, 21), np.uint8)))
        amounts = np.zeros(self.od.shape[:2], np.float32)
        for y, x in inside[self.rng.integers(0, len(inside), count)].tolist():
            cv2.circle(amounts, (x, y), int(radius_px + self.rng.integers(-1, 2)), 1.0, -1)
        amounts = cv2.GaussianBlur(amounts, (0, 0), 0.8) * self.rng.uniform(0.85, 1.0, amounts.shape)
        self.od += amounts[..., None] * (hematoxylin_od * H_DAB.matrix[0] + dab_od * H_DAB.matrix[1])
        return self

    def photograph(self) -> np.ndarray:
        light = np.asarray(self.white) * 10.0**-self.od
        rng = np.random.default_rng(self.seed + 1)
        return np.rint(light + rng.normal(0, self.noise, light.shape)).clip(0, 255).astype(np.uint8)


def paint(width: int = 1600, height: int = 1280, seed: int = 1, tint_od: float = 0.07) -> Section:
    """An ellipse of pale textured stroma with haematoxylin nuclei."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    tissue = ((x - width / 2) / (0.36 * width)) ** 2 + ((y - height / 2) / (0.38 * height)) ** 2 < 1.0
    texture = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 2.0)
    tint = tissue * tint_od * (1.0 + 1.2 * texture)
    od = tint[..., None] * np.array([0.9, 1.05, 0.85])
    section = Section(od, tissue, seed)
    return section.cells(int(tissue.sum() * 0.25e-6 * 2200), 0.75, 0.0)


def map_of(rgb: np.ndarray, **plane: object) -> TissueMap:
    surveyed = survey(ArrayPlane(rgb, **plane))  # type: ignore[arg-type]
    return map_tissue(surveyed, white_point(surveyed))


@pytest.fixture(scope="session")
def plane_of() -> type[ArrayPlane]:
    return ArrayPlane


@pytest.fixture(scope="session")
def painter() -> Callable[..., Section]:
    return paint


@pytest.fixture(scope="session")
def mapper() -> Callable[..., TissueMap]:
    return map_of
