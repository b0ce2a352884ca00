"""Lay out the architecture of a section: crypts, vessels, gaps, aggregates, and the room left for cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms._noise import fractal_grid
from histoquant.phantoms.bodies import SECTION_UM
from histoquant.phantoms.cells import Population
from histoquant.phantoms.placement import Packing
from histoquant.phantoms.spec import SceneSpec
from histoquant.phantoms.structures import (
    VESSEL_KINDS,
    VESSEL_MIX,
    Line,
    Record,
    crypt,
    gap,
    vacuole,
    vessel,
)
from histoquant.phantoms.tissue import GRID_UM, Ground
from histoquant.phantoms.tubes import clear_by, make_tubes, points_in_wall

Points = NDArray[np.float64]

MARGIN_UM = {"crypt": 9.0}  # stroma left round a structure; 4 um, a cell's radius, round the others


@dataclass
class Layout:
    """Structures placed so far and the clearance they leave, um on the grid of `GRID_UM`."""

    clearance: NDArray[np.float64]
    records: list[Record] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    discs: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))

    def put(self, record: Record, line: Line, name: str) -> None:
        """Keep a structure and take its room."""
        tubes, nodes = make_tubes([record], [line])
        clear_by(tubes, nodes, self.clearance, GRID_UM)
        self.records.append(record)
        self.lines.append(line)
        self.names.append(name)
        self.discs = np.vstack([self.discs, line])

    def room_for(self, line: Line, margin_um: float) -> bool:
        """Tell whether the outline of a structure stays ``margin_um`` off tissue edge and the others."""
        gaps = np.hypot(self.discs[:, None, 0] - line[:, 0], self.discs[:, None, 1] - line[:, 1])
        if (gaps < self.discs[:, None, 2] + line[:, 2] + margin_um).any():  # also beyond the border
            return False
        around = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)
        dense = np.vstack([line, 0.5 * (line[1:] + line[:-1])])
        x = dense[:, :1] + dense[:, 2:] * np.cos(around)
        y = dense[:, 1:2] + dense[:, 2:] * np.sin(around)
        return bool(self.at(x, y).min() > margin_um and self.at(dense[:, 0], dense[:, 1]).min() > margin_um)

    def at(self, x: Points, y: Points) -> Points:
        """Return the clearance at points, edges held."""
        rows, cols = self.clearance.shape
        i = np.clip((x / GRID_UM).astype(int), 0, cols - 1)
        j = np.clip((y / GRID_UM).astype(int), 0, rows - 1)
        return np.asarray(self.clearance[j, i])


def lay_out(rng: np.random.Generator, spec: SceneSpec, ground: Ground) -> Layout:
    """Place crypts, then vessels, then gaps, each where there is room."""
    layout = Layout(ground.level_um.copy())
    area_mm2 = float((ground.level_um > 0.0).sum()) * GRID_UM**2 * 1e-6
    mucosa = fractal_grid(*ground.level_um.shape, GRID_UM, 420.0, ground.seed + 701, 1)
    for _ in range(rng.poisson(spec.crypts * area_mm2)):
        _try(rng, spec, layout, "crypt", where=mucosa)
    for _ in range(rng.poisson(spec.vessels * area_mm2)):
        _try(rng, spec, layout, _vessel_kind(rng, spec), ground=ground)
    for _ in range(rng.poisson(spec.gaps * area_mm2)):
        _try(rng, spec, layout, "gap")
    return layout


def _vessel_kind(rng: np.random.Generator, spec: SceneSpec) -> str:
    """Draw the kind of a vessel profile; a share of all collapses to slits and solid sprouts."""
    kind = str(rng.choice(VESSEL_KINDS, p=VESSEL_MIX))
    if rng.uniform() < min(1.0, spec.variety) * spec.collapsed:
        return "slit" if kind == "lengthwise" else "sprout"
    return kind


def _try(
    rng: np.random.Generator,
    spec: SceneSpec,
    layout: Layout,
    name: str,
    where: NDArray[np.float64] | None = None,
    ground: Ground | None = None,
) -> None:
    """Put one structure at a random place with room; give up after 12 tries."""
    for _ in range(12):
        at = (rng.uniform(-10.0, spec.size_um[0] + 10.0), rng.uniform(-10.0, spec.size_um[1] + 10.0))
        rows, cols = layout.clearance.shape
        i = min(max(int(at[0] / GRID_UM), 0), cols - 1)
        j = min(max(int(at[1] / GRID_UM), 0), rows - 1)
        if where is not None and where[j, i] < rng.uniform(0.30, 0.55):
            continue
        angle = rng.uniform(0.0, np.pi)
        if ground is not None:  # vessels run with the fibres more often than not
            along = 0.5 * math.atan2(ground.angle_s[j, i], ground.angle_c[j, i])
            angle = along + rng.normal(0.0, 0.55)
        if name == "crypt":
            record, line = crypt(rng, at, angle)
        elif name == "gap":
            record, line = gap(rng, at, angle)
        else:
            record, line = vessel(rng, at, angle, name)
        if layout.room_for(line, MARGIN_UM.get(name, 4.0)):
            layout.put(record, line, name)
            return


def line_crypts(rng: np.random.Generator, layout: Layout, population: Population, packing: Packing) -> None:
    """Give each crypt its basal nuclei and goblet-cell drops."""
    for record, line, name in list(zip(layout.records, layout.lines, layout.names, strict=True)):
        if name != "crypt":
            continue
        x, y, depth, outward = _in_wall(rng, record, line, 9000, record["wall_um"]).T
        # one layer of columnar cells: nuclei stand side by side at nearly one height
        basal = (depth > 4.4) & (depth < 7.6)
        xyz = np.column_stack([x[basal], y[basal], rng.uniform(-2.2, SECTION_UM + 2.2, basal.sum())])
        kept = packing.add(np.column_stack([xyz, np.full(len(xyz), 3.3)]), 0.95)
        population.add(rng, "epithelial", xyz[kept], outward[basal][kept] + rng.normal(0, 0.12, kept.sum()))
        for drop, drop_line in _goblets(rng, record, np.column_stack([x, y, depth, outward])):
            layout.records.append(drop)
            layout.lines.append(drop_line)
            layout.names.append("vacuole")


def _goblets(rng: np.random.Generator, record: Record, wall: Points) -> list[tuple[Record, Line]]:
    """Choose mucin drops in the upper half of the epithelium, side by side round the lumen."""
    height = record["wall_um"]
    middle = wall[(wall[:, 2] > 0.58 * height) & (wall[:, 2] < 0.74 * height)][:260]
    flat = np.column_stack([middle[:, :2], np.full(len(middle), 2.0), rng.uniform(3.0, 5.6, len(middle))])
    size = (float(wall[:, 0].max()) + 20.0, float(wall[:, 1].max()) + 20.0)
    apart = Packing(size).add(flat, 1.05) & (rng.uniform(0.0, 1.0, len(middle)) < 0.72)
    return [vacuole(rng, (x, y), outward, height) for x, y, _, outward in middle[apart]]


def _in_wall(rng: np.random.Generator, record: Record, line: Line, count: int, deepest_um: float) -> Points:
    tubes, nodes = make_tubes([record], [line])
    tube = tubes[0]
    x = rng.uniform(tube["left"], tube["right"], count)
    y = rng.uniform(tube["top"], tube["bottom"], count)
    return np.asarray(points_in_wall(tube, nodes, x, y, deepest_um))


def line_vessels(rng: np.random.Generator, layout: Layout, population: Population, packing: Packing) -> None:
    """Put flat endothelial nuclei into the vessel walls, about one per 24 um of wall."""
    for record, line, name in list(zip(layout.records, layout.lines, layout.names, strict=True)):
        if name not in VESSEL_KINDS:
            continue
        span = float(np.hypot(*np.diff(line[:, :2], axis=0).T).sum())
        girth = 2.0 * span + 6.3 * float(line[:, 2].mean())
        wanted = rng.poisson(girth / (24.0 if name != "sprout" else 40.0))
        x, y, _, outward = _in_wall(rng, record, line, 1200, 1.6)[:wanted].T
        xyz = np.column_stack([x, y, rng.uniform(-1.0, SECTION_UM + 1.0, len(x))])
        kept = packing.add(np.column_stack([xyz, np.full(len(xyz), 3.5)]), 0.9)
        population.add(rng, "endothelial", xyz[kept], outward[kept] + 0.5 * np.pi, dip_sd=0.15)


def lay_aggregates(
    rng: np.random.Generator, spec: SceneSpec, ground: Ground, layout: Layout
) -> NDArray[np.int32]:
    """Return the label grid of lymphoid aggregates (0: none), drawn around places clear of crypts.

    Aggregates are added until they cover ``aggregates * pi * aggregate_radius_um ** 2`` um2 per mm2 of
    tissue, smaller ones where a larger one finds no room: the dose of B cells is what a trial varies.
    """
    labels = np.zeros(ground.level_um.shape, np.int32)
    cell_um2 = GRID_UM**2
    area_mm2 = float((ground.level_um > 0.0).sum()) * cell_um2 * 1e-6
    one_um2 = np.pi * spec.aggregate_radius_um**2
    left_um2 = spec.aggregates * area_mm2 * one_um2
    clear = (ground.level_um > 6.0) & (layout.clearance > -3.0)
    for label in range(1, 200):
        if left_um2 < 0.15 * one_um2:
            break
        radius = spec.aggregate_radius_um * float(np.exp(rng.normal(0.0, 0.12)))
        radius = min(radius, float(np.sqrt(left_um2 / np.pi)))
        for shrink in (1.0, 0.85, 0.7, 0.55):
            disc = _room_for_aggregate(rng, radius * shrink, ground, clear & (labels == 0))
            if disc is not None:
                labels[disc] = label
                left_um2 -= float(disc.sum()) * cell_um2
                break
        else:
            break
    return labels


def _room_for_aggregate(
    rng: np.random.Generator, radius: float, ground: Ground, clear: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Return the mask of one irregular aggregate where there is room, or None after 40 tries."""
    rows, cols = ground.level_um.shape
    yy, xx = np.mgrid[0:rows, 0:cols] * GRID_UM
    for _ in range(40):
        i, j = int(rng.integers(cols)), int(rng.integers(rows))
        stretch, seed = rng.uniform(0.8, 1.25), int(rng.integers(1 << 20))
        if ground.level_um[j, i] < 0.6 * radius or not clear[j, i]:
            continue
        wave = fractal_grid(rows, cols, GRID_UM, 0.55 * radius, seed, 2)
        distance = np.hypot((xx - i * GRID_UM) * stretch, (yy - j * GRID_UM) / stretch)
        disc = np.asarray(radius * (0.72 + 0.56 * wave) > distance)
        if clear[disc].mean() > 0.9:
            return np.asarray(disc & clear)
    return None
