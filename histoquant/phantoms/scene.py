"""Build the three-dimensional scene of one section: who is where, and what the cut shows of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.bodies import (
    MIN_CHORD_UM,
    SECTION_UM,
    empty_bodies,
    mean_stain,
    profiles,
    shape_bodies,
)
from histoquant.phantoms.cells import CELL_TYPES, KINDS, Population
from histoquant.phantoms.debris import granules
from histoquant.phantoms.fibres import grow_fibres
from histoquant.phantoms.layout import Layout, lay_aggregates, lay_out, line_crypts, line_vessels
from histoquant.phantoms.paint import paint, shows_positive
from histoquant.phantoms.placement import Packing, scatter
from histoquant.phantoms.spec import SceneSpec
from histoquant.phantoms.tissue import GRID_UM, Ground, make_ground
from histoquant.phantoms.tubes import make_tubes
from histoquant.phantoms.variety import vary
from histoquant.phantoms.visibility import VISIBLE_PATH_UM, contrast_od, visible

SOMA_AREA_UM2 = 15.0  # a stained profile without nucleus must be at least this to be listed

AGGREGATE_CELLS_PER_MM2 = 80000.0  # candidates offered; packing leaves 9 000 to 12 000 visible per mm2


@dataclass(frozen=True)
class Scene:
    """Everything that can be drawn or counted in one section; coordinates in um from the top-left corner.

    Attributes
    ----------
    spec : SceneSpec
    ground : Ground
    cells, bodies : ndarray of `cells.CELL` and `bodies.BODY`
    nuclei : ndarray, shape (cells, 4)
        x_um, y_um, area_um2 and longest path (um) of each cell's nuclear profile.
    marker_od : ndarray, shape (cells,)
        Mean marker OD over the compartment that carries it (`paint.shows_positive`).
    visible : ndarray of bool
        Cells whose nucleus a reader can see (`visibility.visible`).
    tubes, nodes, names : ndarray, ndarray, tuple of str
        Vessels, crypts, gaps and vacuoles with their centre lines and kinds.
    fibres : ndarray
    aggregates : ndarray of int32
        Label grid (`GRID_UM`) of lymphoid aggregates.
    pigment, erythrocytes : ndarray of `bodies.BODY`
        Bodies without nucleus; nothing about them is counted.
    """

    spec: SceneSpec
    ground: Ground
    cells: NDArray[np.void]
    bodies: NDArray[np.void]
    nuclei: NDArray[np.float64]
    marker_od: NDArray[np.float64]
    visible: NDArray[np.bool_]
    tubes: NDArray[np.void]
    nodes: NDArray[np.float64]
    names: tuple[str, ...]
    fibres: NDArray[np.float64]
    aggregates: NDArray[np.int32]
    pigment: NDArray[np.void]
    erythrocytes: NDArray[np.void]


def _stream(spec: SceneSpec, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([spec.seed, number]))


def build_scene(spec: SceneSpec) -> Scene:
    """Build the scene of a section, deterministic in ``spec``."""
    outline = spec.seed if spec.architecture is None else spec.architecture
    ground = make_ground(
        np.random.default_rng(np.random.SeedSequence([outline, 0])), spec.size_um, spec.fragments
    )
    layout = lay_out(_stream(spec, 1), spec, ground)
    packing, population = Packing(spec.size_um), Population()
    line_crypts(_stream(spec, 2), layout, population, packing)
    line_vessels(_stream(spec, 3), layout, population, packing)
    aggregates = lay_aggregates(_stream(spec, 4), spec, ground, layout)
    _fill_aggregates(_stream(spec, 5), aggregates, layout, population, packing)
    _fill_stroma(_stream(spec, 6), (spec, ground), layout, aggregates, population, packing)
    _fill_dying(_stream(spec, 12), (spec, ground), layout, population, packing)
    cells, bodies = population.freeze()
    nucleoli = vary(_stream(spec, 11), spec, cells, bodies)
    tubes, nodes = make_tubes(layout.records, layout.lines)
    paint(_stream(spec, 7), spec, cells, bodies, tubes, layout.names)
    groups = np.column_stack([cells["first"], cells["last"]]).astype(np.int64)
    nuclei, stain = profiles(bodies, groups), mean_stain(bodies, groups)
    cells["positive"], marker_od = shows_positive(spec, cells, bodies, stain)
    seen = visible(nuclei, contrast_od(spec, cells, bodies, nuclei, stain), spec.size_um)
    seen &= cells["type"] != CELL_TYPES.index("apoptotic")
    bodies = np.concatenate([bodies, nucleoli, granules(_stream(spec, 13), spec, ground)])
    return Scene(
        spec,
        ground,
        cells,
        bodies,
        nuclei,
        marker_od,
        seen,
        tubes,
        nodes,
        tuple(layout.names),
        grow_fibres(_stream(spec, 8), ground, spec.variety),
        aggregates,
        _pigment(_stream(spec, 9), spec, ground),
        _erythrocytes(_stream(spec, 10), spec, layout),
    )


def _fill_aggregates(
    rng: np.random.Generator,
    labels: NDArray[np.int32],
    layout: Layout,
    population: Population,
    packing: Packing,
) -> None:
    weight = ((labels > 0) & (layout.clearance > 2.5)).astype(float)
    count = int(AGGREGATE_CELLS_PER_MM2 * weight.sum() * GRID_UM**2 * 1e-6)
    xyz = scatter(rng, weight, GRID_UM, count, 2.6)
    kept = packing.add(np.column_stack([xyz, np.full(len(xyz), 3.55)]), 0.86)
    xyz = xyz[kept]
    others = rng.uniform(0.0, 1.0, len(xyz)) < 0.13
    population.add(rng, "b_cell", xyz[~others])
    population.add(rng, "t_cell", xyz[others])


def _fill_dying(
    rng: np.random.Generator,
    plan: tuple[SceneSpec, Ground],
    layout: Layout,
    population: Population,
    packing: Packing,
) -> None:
    """Add apoptotic cells last, wherever there is room."""
    spec, ground = plan
    area_mm2 = float((ground.level_um > 0.0).sum()) * GRID_UM**2 * 1e-6
    wanted = rng.poisson(min(spec.variety, 1.0) * spec.apoptotic * area_mm2)
    weight = (layout.clearance > 3.0) * ground.infiltrate
    xyz = scatter(rng, weight, GRID_UM, 3 * wanted, 1.0)
    kept = packing.add(np.column_stack([xyz, np.full(len(xyz), 3.2)]), 0.84, wanted)
    population.add(rng, "apoptotic", xyz[kept])


CLUMP_OVERLAP = 0.62  # macrophages in a clump press into each other

STROMA = (  # name in the spec, cell type, clearance it needs (um), packing radius (um), density clumping
    ("tumour_cells", "tumour", 5.0, 5.6, 0.2),
    ("foamy", "foamy", 8.0, 8.5, 0.7),
    ("macrophages", "macrophage", 6.0, 6.0, 0.7),
    ("plasma_cells", "plasma_cell", 4.0, 4.5, 1.0),
    ("b_cells", "b_cell", 3.5, 3.8, 1.0),
    ("t_cells", "t_cell", 3.5, 3.8, 1.0),
    ("neutrophils", "neutrophil", 4.0, 4.2, 1.2),
    ("eosinophils", "eosinophil", 4.0, 4.4, 0.8),
    ("fibroblasts", "fibroblast", 2.5, 3.6, 0.0),
)


def _per_mm2(spec: SceneSpec, name: str) -> float:
    """Return the density asked for; foamy macrophages are a share of all macrophages."""
    foamy = min(1.0, spec.variety) * spec.foamy
    if name == "foamy":
        return spec.macrophages * foamy
    return float(getattr(spec, name)) * (1.0 - foamy if name == "macrophages" else 1.0)


def _fill_stroma(
    rng: np.random.Generator,
    plan: tuple[SceneSpec, Ground],
    layout: Layout,
    aggregates: NDArray[np.int32],
    population: Population,
    packing: Packing,
) -> None:
    spec, ground = plan
    outside = np.where(aggregates > 0, 0.0, 1.0)
    area_mm2 = float(((ground.level_um > 0.0) & (layout.clearance > 0.0)).sum()) * GRID_UM**2 * 1e-6
    for field_name, name, need_um, radius_um, clumping in STROMA:
        depth = 0.75 * KINDS[name].nucleus_um[2]
        share = (SECTION_UM + 2.0 * (KINDS[name].nucleus_um[2] - VISIBLE_PATH_UM)) / (
            SECTION_UM + 2.0 * depth
        )
        wanted = rng.poisson(_per_mm2(spec, field_name) * area_mm2 / min(share, 1.0))
        weight = outside * (layout.clearance > need_um) * ground.infiltrate**clumping
        xyz = scatter(rng, weight, GRID_UM, 3 * wanted, depth)
        overlap = spec.overlap
        if name == "macrophage" and spec.clumps * spec.variety > 0.0:
            overlap = min(overlap, CLUMP_OVERLAP)
            _clump(rng, xyz, layout, min(1.0, spec.clumps * spec.variety))
        kept = packing.add(np.column_stack([xyz, np.full(len(xyz), radius_um)]), overlap, wanted)
        xyz = xyz[kept]
        angle = None
        if name == "fibroblast":
            i = np.minimum((xyz[:, 0] / GRID_UM).astype(int), ground.level_um.shape[1] - 1)
            j = np.minimum((xyz[:, 1] / GRID_UM).astype(int), ground.level_um.shape[0] - 1)
            angle = 0.5 * np.arctan2(ground.angle_s[j, i], ground.angle_c[j, i])
            angle = angle + rng.normal(0.0, 0.3, len(xyz))
        population.add(rng, name, xyz, angle)


def _clump(rng: np.random.Generator, xyz: NDArray[np.float64], layout: Layout, share: float) -> None:
    """Gather a share of the points round earlier ones, in place: groups of 2 to 6 with blended outlines."""
    for first in range(0, len(xyz), 12):
        size = min(int(rng.integers(2, 7)), len(xyz) - first)
        if rng.uniform() < share * 12.0 / 4.0:  # a group of 4 of 12 points on average
            near = xyz[first] + rng.normal(0.0, 1.0, (size, 3)) * np.array([7.5, 7.5, 1.2])
            near[0] = xyz[first]
            free = layout.at(near[:, 0], near[:, 1]) > 4.0
            xyz[first : first + size][free] = near[free]


def _pigment(rng: np.random.Generator, spec: SceneSpec, ground: Ground) -> NDArray[np.void]:
    """Return clumps of pigment granules as bodies stained in the second slot only."""
    weight = (ground.level_um > 10.0).astype(float)
    clumps = scatter(rng, weight, GRID_UM, rng.poisson(spec.pigment * weight.sum() * GRID_UM**2 * 1e-6), 0.0)
    each = rng.integers(6, 40, len(clumps))
    at = np.repeat(clumps, each, axis=0)
    grains = empty_bodies(len(at))
    spread = np.repeat(rng.uniform(1.5, 5.0, len(clumps)), each)
    grains["x"] = at[:, 0] + spread * rng.normal(0.0, 1.0, len(at)) if len(at) else 0.0
    grains["y"] = at[:, 1] + spread * rng.normal(0.0, 1.0, len(at)) if len(at) else 0.0
    grains["z"] = rng.uniform(0.0, 4.0, len(at))
    size = rng.uniform(0.35, 1.1, len(at))
    shape_bodies(grains, size, size, size, np.zeros(len(at)), np.zeros(len(at)))
    grains["core_s"] = rng.uniform(0.5, 1.0, len(at))
    return grains


def _erythrocytes(rng: np.random.Generator, spec: SceneSpec, layout: Layout) -> NDArray[np.void]:
    """Return red cells: some vessels hold a few, and here and there some have leaked."""
    spots: list[tuple[float, float, float]] = []
    for line, name in zip(layout.lines, layout.names, strict=True):
        if name in ("ring", "lengthwise") and rng.uniform() < 0.4:
            for x, y, half in line[rng.uniform(0.0, 1.0, len(line)) < 0.7]:
                room = max(half - 4.0, 0.0)
                many = 1 + int(room / 2.0)
                spots += [(x + dx, y + dy, 1.0) for dx, dy in rng.uniform(-room, room, (many, 2))]
    area_mm2 = spec.size_um[0] * spec.size_um[1] * 1e-6
    for _ in range(rng.poisson(5.0 * area_mm2)):
        at = rng.uniform(0.0, spec.size_um[0]), rng.uniform(0.0, spec.size_um[1])
        if layout.at(np.array([at[0]]), np.array([at[1]]))[0] > 14.0:
            spots += [
                (at[0] + dx, at[1] + dy, 0.0)
                for dx, dy in rng.normal(0.0, 9.0, (int(rng.integers(4, 22)), 2))
            ]
    table = np.array(spots).reshape(-1, 3)
    cells = empty_bodies(len(table))
    cells["x"], cells["y"] = table[:, 0], table[:, 1]
    cells["z"] = rng.uniform(0.5, 3.5, len(table))
    size = rng.uniform(2.5, 3.1, len(table))
    shape_bodies(
        cells,
        size,
        size * rng.uniform(0.75, 1.0, len(table)),
        0.33 * size,
        rng.uniform(0, 3.1, len(table)),
        rng.normal(0.0, 0.6, len(table)),
    )
    eosin, brown = 0.30, 0.035  # haemoglobin takes eosin; in DAB slides it is a pale tan
    cells["core_s"] = (eosin if spec.marker == "HE" else brown) * np.exp(rng.normal(0.0, 0.2, len(table)))
    cells["core_h"] = 0.0 if spec.marker == "HE" else 0.010
    return cells


def stained_somas(scene: Scene, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the indices of stained cells of some types without a visible nucleus whose body still shows.

    They are the fragments (or, for CD31 decoys, part of the nonvascular objects) a nucleus-based count
    must not see but an area-based one will.
    """
    c = scene.cells
    soma = scene.bodies[c["soma"]]
    stained = (soma["core_s"] > 0.02) | (soma["shell_s"] > 0.02)
    chosen = np.flatnonzero(
        np.isin(c["type"], [CELL_TYPES.index(n) for n in names]) & stained & ~scene.visible
    )
    groups = np.column_stack([c["soma"][chosen], c["soma"][chosen] + 1]).astype(np.int64)
    shown = profiles(scene.bodies, groups)
    return np.asarray(chosen[(shown[:, 2] >= SOMA_AREA_UM2) & (shown[:, 3] > 2.0 * MIN_CHORD_UM)])
