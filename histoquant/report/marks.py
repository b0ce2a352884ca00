"""What is drawn on a picture: cells, vessels, aggregates and tissue, in the picture's own pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Polygons:
    """Closed polygons packed end to end.

    Parameters
    ----------
    points : float32 (m, 2)
        Corners as (x, y) in picture pixels; (0, 0) is the centre of the top-left pixel.
    offsets : int64 (n + 1,)
        Polygon ``i`` is ``points[offsets[i]:offsets[i + 1]]``; it may be empty.
    """

    points: Points
    offsets: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"points must have shape (m, 2), not {self.points.shape}")
        if len(self.offsets) < 1 or self.offsets[0] != 0 or self.offsets[-1] != len(self.points):
            raise ValueError("offsets must run from 0 to len(points)")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def pack(cls, polygons: Iterable[npt.ArrayLike]) -> Polygons:
        """Pack a sequence of (k, 2) arrays."""
        parts = [np.asarray(p, np.float32).reshape(-1, 2) for p in polygons]
        offsets = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(p) for p in parts], out=offsets[1:])
        points = np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)
        return cls(points, offsets)

    def select(self, keep: Bools) -> Polygons:
        """Return the polygons where ``keep`` (bool, (n,)) is true."""
        from histoquant.report.corners import picked  # compiled: loaded where something is drawn

        if len(keep) != len(self):  # a kernel would read beyond the end
            raise ValueError(f"keep has {len(keep)} entries for {len(self)} polygons")
        return Polygons(*picked(self.points, self.offsets, keep))

    @cached_property
    def corners(self) -> npt.NDArray[np.int32]:
        """``points`` in sixteenths of a pixel, as OpenCV takes them."""
        from histoquant.report.corners import fixed

        return np.asarray(fixed(self.points), np.int32)

    def scaled(self, factor: float, shift_xy: tuple[float, float] = (0.0, 0.0)) -> Polygons:
        """Shift by ``shift_xy`` pixels, then enlarge by ``factor`` about the picture's corner."""
        moved = self.points + np.float32(0.5)
        moved += np.asarray(shift_xy, np.float32)
        moved *= np.float32(factor)
        moved -= np.float32(0.5)
        return Polygons(moved, self.offsets)

    def touching(self, width: int, height: int) -> Bools:
        """Tell which polygons have a corner inside a window of ``width`` x ``height`` pixels at (0, 0)."""
        x, y = self.points[:, 0], self.points[:, 1]
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        total = np.concatenate([[0], np.cumsum(inside)])
        return np.asarray(total[self.offsets[1:]] > total[self.offsets[:-1]])


def _no_polygons() -> Polygons:
    return Polygons(np.zeros((0, 2), np.float32), np.zeros(1, np.int64))


@dataclass(frozen=True)
class CellMarks:
    """Cells of one picture.

    Parameters
    ----------
    x_px, y_px : float (n,)
        Centres in picture pixels; (0, 0) is the centre of the top-left pixel.
    positive : bool (n,) or None
        Marker status; ``None`` where the stain has no marker (haematoxylin-eosin).
    outlines : Polygons or None
        One closed outline per cell in the same order; ``None`` draws circles instead.
    """

    x_px: npt.NDArray[np.float64]
    y_px: npt.NDArray[np.float64]
    positive: Bools | None
    outlines: Polygons | None = None

    def __post_init__(self) -> None:
        n = len(self.x_px)
        for name, other in (("y_px", self.y_px), ("positive", self.positive), ("outlines", self.outlines)):
            if other is not None and len(other) != n:
                raise ValueError(f"{name} has {len(other)} entries for {n} cells")

    @classmethod
    def from_um(
        cls,
        x_um: npt.ArrayLike,
        y_um: npt.ArrayLike,
        positive: npt.ArrayLike | None,
        mpp: float,
        outlines_um: Polygons | None = None,
    ) -> CellMarks:
        """Place cells given in micrometres from the slide's corner on a picture of ``mpp`` um/px."""
        x = np.asarray(x_um, np.float64) / mpp - 0.5
        y = np.asarray(y_um, np.float64) / mpp - 0.5
        status = None if positive is None else np.asarray(positive, bool)
        outlines = None
        if outlines_um is not None:
            outlines = Polygons((outlines_um.points / mpp - 0.5).astype(np.float32), outlines_um.offsets)
        return cls(x, y, status, outlines)

    def __len__(self) -> int:
        return len(self.x_px)

    @property
    def positives(self) -> int | None:
        """Number of positive cells; ``None`` without a marker."""
        return None if self.positive is None else int(np.count_nonzero(self.positive))

    def scaled(self, factor: float, shift_xy: tuple[float, float] = (0.0, 0.0)) -> CellMarks:
        """Shift, then enlarge; see :meth:`Polygons.scaled`."""
        x = (self.x_px + 0.5 + shift_xy[0]) * factor - 0.5
        y = (self.y_px + 0.5 + shift_xy[1]) * factor - 0.5
        outlines = None if self.outlines is None else self.outlines.scaled(factor, shift_xy)
        return CellMarks(x, y, self.positive, outlines)

    def select(self, keep: Bools) -> CellMarks:
        """Return the cells where ``keep`` (bool, (n,)) is true."""
        status = None if self.positive is None else self.positive[keep]
        outlines = None if self.outlines is None else self.outlines.select(keep)
        return CellMarks(self.x_px[keep], self.y_px[keep], status, outlines)


@dataclass(frozen=True)
class VesselMarks:
    """Vessels of one picture: outer wall contours and lumen contours (any number of each)."""

    walls: Polygons
    lumens: Polygons = field(default_factory=_no_polygons)

    def scaled(self, factor: float, shift_xy: tuple[float, float] = (0.0, 0.0)) -> VesselMarks:
        """Shift, then enlarge; see :meth:`Polygons.scaled`."""
        return VesselMarks(self.walls.scaled(factor, shift_xy), self.lumens.scaled(factor, shift_xy))


@dataclass(frozen=True)
class TissueMarks:
    """Tissue and exclusions on the coarse map, anchored at the slide's top-left corner.

    Parameters
    ----------
    tissue : bool (h, w)
    excluded : uint8 (h, w) or None
        Reason codes, 0 where nothing is excluded.
    um_per_map_px : (x, y)
        Size of a map pixel in micrometres.
    reasons : mapping of code to name
        For example ``{1: "fold", 2: "blur"}``; a code without a name is shown as ``reason <code>``.
    """

    tissue: Bools
    excluded: npt.NDArray[np.uint8] | None
    um_per_map_px: tuple[float, float]
    reasons: Mapping[int, str] = field(default_factory=dict)

    def reason_name(self, code: int) -> str:
        """Return the reason's name for the legend."""
        return self.reasons.get(code, f"reason {code}")

    def codes(self) -> list[int]:
        """Return the codes present, in ascending order."""
        if self.excluded is None:
            return []
        return [int(c) for c in np.unique(self.excluded) if c]


@dataclass(frozen=True)
class Marks:
    """Everything to draw on one picture; absent parts are ``None``."""

    cells: CellMarks | None = None
    vessels: VesselMarks | None = None
    aggregates: Polygons | None = None
    tissue: TissueMarks | None = None

    def scaled(self, factor: float, shift_xy: tuple[float, float] = (0.0, 0.0)) -> Marks:
        """Shift, then enlarge; the tissue map keeps its own micrometres and does not change."""
        return Marks(
            None if self.cells is None else self.cells.scaled(factor, shift_xy),
            None if self.vessels is None else self.vessels.scaled(factor, shift_xy),
            None if self.aggregates is None else self.aggregates.scaled(factor, shift_xy),
            self.tissue,
        )


@dataclass(frozen=True)
class Caption:
    """Words under a picture: masked slide id, marker name and an optional note."""

    slide_id: str
    marker: str = ""
    note: str = ""
