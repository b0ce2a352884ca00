"""The cell types of an inflamed fistula tract or gut biopsy, as families of bodies."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.bodies import NUCLEUS, SECTION_UM, SOMA, empty_bodies, shape_bodies

CELL_TYPES = (
    "t_cell",
    "b_cell",
    "plasma_cell",
    "macrophage",
    "fibroblast",
    "endothelial",
    "epithelial",
    "neutrophil",
    "eosinophil",
    "tumour",
    "apoptotic",
    "foamy",
)

CELL = np.dtype(
    [("type", np.int64), ("first", np.int64), ("last", np.int64), ("soma", np.int64), ("positive", np.bool_)]
    + [(name, np.float64) for name in ("x", "y", "z", "strength")]
)
"""One cell: ``first:last`` its nuclear bodies, ``soma`` its cell body, ``strength`` its relative stain."""


@dataclass(frozen=True)
class CellKind:
    """Sizes (semi-axes, um) and haematoxylin (OD over a full section) of one cell type.

    Sizes are textbook diameters in paraffin (lymphocyte nucleus 6-7 um, plasma cell 10-14 um,
    macrophage 15-25 um, fibroblast nucleus 12-20 um long), shrunk by about 10 %.
    """

    nucleus_um: tuple[float, float, float]
    soma_um: tuple[float, float, float]
    nucleus_od: float
    rim_od: float
    grain: float
    grain_um: float
    soma_od: float = 0.03
    size_cv: float = 0.08
    offset_um: float = 0.0
    wave: float = 0.05
    notch: float = 0.0
    bend: float = 0.0
    ruffle_um: float = 0.0
    lobes: int = 1
    occupancy: float = 0.7


KINDS: dict[str, CellKind] = {
    "t_cell": CellKind((3.05, 2.75, 2.9), (4.1, 3.8, 3.9), 0.80, 0.52, 0.45, 1.25, wave=0.045),
    "b_cell": CellKind((3.15, 2.9, 3.0), (4.0, 3.7, 3.8), 0.78, 0.60, 0.42, 1.3, wave=0.05),
    "plasma_cell": CellKind(
        (3.0, 2.7, 2.8), (6.2, 4.6, 4.8), 0.88, 0.62, 0.55, 1.5, soma_od=0.13, offset_um=2.1
    ),
    "macrophage": CellKind(
        (4.3, 3.2, 3.4), (8.6, 6.9, 6.6), 0.42, 0.45, 0.40, 1.5, soma_od=0.05, size_cv=0.16,
        offset_um=1.2, wave=0.11, notch=0.30, ruffle_um=1.0,
    ),
    "fibroblast": CellKind(
        (6.8, 1.35, 1.7), (13.0, 1.8, 1.9), 0.80, 0.25, 0.30, 1.6, soma_od=0.05, size_cv=0.18,
        wave=0.0, bend=0.02, occupancy=0.4,
    ),
    "endothelial": CellKind(
        (4.6, 1.25, 2.0), (6.2, 1.9, 2.4), 0.85, 0.25, 0.30, 1.5, size_cv=0.12, wave=0.0, bend=0.02
    ),
    "epithelial": CellKind(
        (4.6, 2.9, 3.0), (1.0, 1.0, 1.0), 0.62, 0.50, 0.38, 1.6, size_cv=0.10, wave=0.05, occupancy=0.0
    ),
    "neutrophil": CellKind(
        (1.65, 1.3, 1.4), (4.9, 4.5, 4.6), 1.05, 0.35, 0.25, 1.0, lobes=3, soma_od=0.02
    ),
    "eosinophil": CellKind(
        (2.0, 1.6, 1.7), (5.2, 4.8, 4.9), 0.95, 0.35, 0.25, 1.1, lobes=2, soma_od=0.03
    ),
    # carcinoma: large, unequal, cleared nuclei in a faintly basophilic cytoplasm
    "tumour": CellKind(
        (5.3, 4.2, 4.4), (8.2, 6.8, 6.8), 0.55, 0.40, 0.45, 1.7, soma_od=0.10, size_cv=0.20,
        offset_um=0.6, wave=0.08, notch=0.15, occupancy=0.6,
    ),
    # lipid-laden macrophage: twice the area, a small round nucleus
    "foamy": CellKind(
        (3.5, 3.1, 3.2), (11.5, 10.0, 8.0), 0.50, 0.40, 0.40, 1.4, soma_od=0.03, size_cv=0.14,
        offset_um=3.5, wave=0.06, ruffle_um=0.8, occupancy=0.5,
    ),
    # shrunken cell with condensed globes of chromatin
    "apoptotic": CellKind(
        (1.1, 1.0, 1.0), (3.4, 3.0, 3.1), 1.5, 0.2, 0.1, 1.0, lobes=2, soma_od=0.08, size_cv=0.3
    ),
}  # fmt: skip


@dataclass
class Population:
    """Cells and bodies gathered while a scene is laid out; `freeze` gives the arrays."""

    cells: list[NDArray[np.void]] = field(default_factory=list)
    bodies: list[NDArray[np.void]] = field(default_factory=list)
    cell_count: int = 0
    body_count: int = 0

    def add(
        self,
        rng: np.random.Generator,
        name: str,
        points: NDArray[np.float64],
        angle: NDArray[np.float64] | None = None,
        dip_sd: float = 0.35,
    ) -> None:
        """Add cells of one type at points (n, 3) um, long axes along ``angle`` (default: any)."""
        count = len(points)
        if count == 0:
            return
        kind = KINDS[name]
        turn = rng.uniform(0.0, np.pi, count) if angle is None else angle
        size = np.exp(rng.normal(0.0, kind.size_cv, count))
        dip = rng.normal(0.0, dip_sd, count)
        soma = _soma(rng, kind, points, size, turn, dip)
        nuclei = _nuclei(rng, kind, points, size, turn, dip)
        cells = np.zeros(count, CELL)
        cells["type"] = CELL_TYPES.index(name)
        cells["x"], cells["y"], cells["z"] = points.T
        cells["strength"] = 1.0
        cells["soma"] = self.body_count + np.arange(count)
        cells["first"] = self.body_count + count + kind.lobes * np.arange(count)
        cells["last"] = cells["first"] + kind.lobes
        soma["hole"] = cells["first"]
        soma["cell"] = self.cell_count + np.arange(count)
        nuclei["cell"] = np.repeat(soma["cell"], kind.lobes)
        self.cells.append(cells)
        self.bodies += [soma, nuclei]
        self.cell_count += count
        self.body_count += count + len(nuclei)

    def freeze(self) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """Return the `CELL` and `BODY` arrays."""
        if not self.cells:
            return np.zeros(0, CELL), empty_bodies(0)
        return np.concatenate(self.cells), np.concatenate(self.bodies)


def _waves(rng: np.random.Generator, bodies: NDArray[np.void], wave: float) -> None:
    count = len(bodies)
    for order, share in (("3", 1.0), ("4", 0.35), ("5", 0.35)):
        bodies["e" + order] = wave * share * rng.normal(0.0, 1.0, count).clip(-2.0, 2.0)
        bodies["p" + order] = rng.uniform(0.0, 2.0 * np.pi, count)
    bodies["seed"] = rng.integers(1, 1 << 24, count)


def _soma(
    rng: np.random.Generator,
    kind: CellKind,
    points: NDArray[np.float64],
    size: NDArray[np.float64],
    angle: NDArray[np.float64],
    dip: NDArray[np.float64],
) -> NDArray[np.void]:
    soma = empty_bodies(len(points))
    soma["x"], soma["y"], soma["z"] = points.T
    _waves(rng, soma, kind.wave)
    soma["ruffle"] = kind.ruffle_um
    soma["bend"] = rng.normal(0.0, kind.bend, len(points))
    long_um, short_um, deep_um = (size * axis for axis in kind.soma_um)
    shape_bodies(soma, long_um, short_um, deep_um, angle, dip)
    soma["core_h"] = kind.soma_od / SECTION_UM * np.exp(rng.normal(0.0, 0.3, len(points)))
    soma["grain_h"], soma["grain_h_um"] = 0.3, 1.1
    soma["occupancy"] = kind.occupancy
    soma["inner"] = 1.0 - 0.45 / (0.5 * (long_um + short_um))  # membrane 0.45 um: blurred cell border
    soma["part"] = SOMA
    return soma


def _nuclei(
    rng: np.random.Generator,
    kind: CellKind,
    points: NDArray[np.float64],
    size: NDArray[np.float64],
    angle: NDArray[np.float64],
    dip: NDArray[np.float64],
) -> NDArray[np.void]:
    count, lobes = len(points), kind.lobes
    n = empty_bodies(count * lobes)
    at = np.repeat(points, lobes, axis=0)
    scale = np.repeat(size, lobes)
    if lobes > 1:
        around = np.tile(np.arange(lobes) * 2.1, count) + np.repeat(rng.uniform(0.0, 6.28, count), lobes)
        apart = scale * rng.uniform(1.3, 1.9, len(n))
        shift = np.column_stack(
            [apart * np.cos(around), apart * np.sin(around), rng.normal(0.0, 0.5, len(n))]
        )
        turn = around + 0.5 * np.pi
    else:
        where = angle + rng.choice([0.0, np.pi], count)
        off = kind.offset_um * size * rng.uniform(0.5, 1.1, count)
        shift = np.column_stack([off * np.cos(where), off * np.sin(where), np.zeros(count)])
        turn = angle + rng.normal(0.0, 0.1 if kind.bend else 0.5, count)
    n["x"], n["y"], n["z"] = (at + shift).T
    _waves(rng, n, kind.wave)
    n["bend"] = rng.normal(0.0, kind.bend, len(n))
    n["notch"] = kind.notch * rng.uniform(0.0, 1.0, len(n))
    n["notch_at"] = rng.choice([0.5 * np.pi, -0.5 * np.pi], len(n))
    stretch = np.exp(rng.normal(0.0, 0.07, len(n)))
    long_um, short_um, deep_um = (scale * axis for axis in kind.nucleus_um)
    shape_bodies(n, long_um * stretch, short_um / stretch, deep_um, turn, np.repeat(dip, lobes))
    dark = np.exp(rng.normal(0.0, 0.18, len(n)))
    n["core_h"] = dark * kind.nucleus_od / SECTION_UM
    n["shell_h"] = dark * (kind.nucleus_od + kind.rim_od) / SECTION_UM
    n["inner"] = 0.80
    n["grain_h"], n["grain_h_um"] = kind.grain, kind.grain_um * rng.uniform(0.85, 1.15, len(n))
    n["part"] = NUCLEUS
    return n
