"""Give each marker's stain to the cells and walls that carry it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.bodies import NUCLEUS, SECTION_UM, mean_stain
from histoquant.phantoms.cells import CELL_TYPES
from histoquant.phantoms.spec import SceneSpec
from histoquant.phantoms.structures import VESSEL_KINDS

# OD of the marker over a full section where it is densest, before blur and cell-to-cell variation
CD68_OD, CD20_OD, CD31_OD, NUCLEAR_OD = 0.85, 1.75, 1.25, 1.05
MEMBRANE_UM = 0.55  # optical thickness of a DAB-stained membrane
DECOY_OD = 0.60
NEUTROPHIL_OD = 0.09  # below POSITIVE_OD in every cell: tan, not brown
STRENGTH_SD = (0.28, 0.14)  # ln sd of stain between cells: textbook, and more of it at variety 1
WEAKEST, STRONGEST = 0.40, 1.9  # limits of cell-to-cell stain strength
POSITIVE_OD = {"nuclear": 0.12, "CD68": 0.10, "CD20": 0.10}
"""Mean marker OD of a profile from which a cell is called positive: brown to an eye beside a blue one."""

TUMOUR_BASOPHILIA = 2.2  # haematoxylin of carcinoma cytoplasm in H&E, relative to IHC counterstain
EOSIN_OD = {  # eosin over a full section of each cell body
    "plasma_cell": 0.26, "macrophage": 0.22, "fibroblast": 0.30, "endothelial": 0.30, "neutrophil": 0.22,
    "eosinophil": 0.85, "t_cell": 0.10, "b_cell": 0.10, "epithelial": 0.0, "tumour": 0.24,
    "apoptotic": 0.60, "foamy": 0.14,
}  # fmt: skip


def paint(
    rng: np.random.Generator,
    spec: SceneSpec,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    tubes: NDArray[np.void],
    names: list[str],
) -> None:
    """Set the second stain of bodies and tubes and ``positive`` of cells, in place.

    Parameters
    ----------
    rng : numpy.random.Generator
    spec : SceneSpec
    cells, bodies, tubes : ndarray
        Changed in place.
    names : list of str
        Kind of each tube.
    """
    vessel = np.array([name in VESSEL_KINDS for name in names], dtype=bool)
    cells["strength"] = np.exp(
        rng.normal(0.0, STRENGTH_SD[0] + min(1.0, spec.variety) * STRENGTH_SD[1], len(cells))
    ).clip(WEAKEST, STRONGEST)
    kind = np.array(CELL_TYPES)[cells["type"]]
    if spec.marker == "HE":
        _eosin(cells, bodies, tubes, kind, vessel)
        return
    tubes["wall_s"][vessel] = 0.0
    if spec.stain == 0.0:
        return
    if spec.marker == "CD68":
        _cd68(rng, cells, bodies, kind, spec)
    elif spec.marker == "CD20":
        _cd20(rng, cells, bodies, kind == "b_cell", spec)
    elif spec.marker == "nuclear":
        share = np.where(kind == "epithelial", 2.5 * spec.positive_share, spec.positive_share)
        share[kind == "fibroblast"] *= 0.3
        share[kind == "apoptotic"] = 0.0
        share[kind == "tumour"] = 2.5 * spec.positive_share
        _nuclear(rng, cells, bodies, rng.uniform(0.0, 1.0, len(cells)) < share, spec)
    else:
        decoys = kind == "macrophage"
        share_decoys = min(1.0, spec.decoys / max(spec.macrophages, 1e-9))
        decoys &= rng.uniform(0.0, 1.0, len(cells)) < share_decoys
        _cd31(rng, cells, bodies, tubes, (kind == "endothelial", decoys, vessel), spec)


def shows_positive(
    spec: SceneSpec,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    nuclear_od: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Tell which cells count as positive: those that carry the antigen and show enough of it.

    Parameters
    ----------
    spec : SceneSpec
    cells, bodies : ndarray
        As `paint` left them: ``positive`` says who carries the antigen.
    nuclear_od : ndarray, shape (cells, 2)
        Mean stain of each nuclear profile (`bodies.mean_stain`).

    Returns
    -------
    positive : ndarray of bool
    marker_od : ndarray
        Mean marker OD, before appearance and optics, over the nuclear profile (``nuclear``) or over the
        profile of the whole cell (other markers); 0 for H&E.
    """
    if spec.marker == "nuclear" or len(cells) == 0:
        od = nuclear_od[:, 1]
    elif spec.marker == "HE":
        return cells["positive"].copy(), np.zeros(len(cells))
    else:
        od = np.zeros(len(cells))
        soma = bodies[cells["soma"]]
        on = np.flatnonzero((soma["core_s"] > 0.0) | (soma["shell_s"] > 0.0))
        groups = np.column_stack([cells["soma"][on], cells["soma"][on] + 1]).astype(np.int64)
        od[on] = mean_stain(bodies, groups)[:, 1]
    return cells["positive"] & (od >= POSITIVE_OD.get(spec.marker, 0.0)), np.asarray(od)


def _cd68(
    rng: np.random.Generator,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    kind: NDArray[np.str_],
    spec: SceneSpec,
) -> None:
    on = (kind == "macrophage") | (kind == "foamy")
    soma = cells["soma"][on]
    bodies["core_s"][soma] = spec.stain * CD68_OD / SECTION_UM * cells["strength"][on]
    bodies["shell_s"][soma] = 0.5 * bodies["core_s"][soma]
    bodies["grain_s"][soma], bodies["grain_s_um"][soma] = 0.85, 1.0
    bodies["patch"][soma] = 0.55
    cells["positive"][on] = True
    if spec.variety == 0.0:
        return
    many = len(soma)
    bodies["grain_s"][soma] = rng.uniform(0.45, 0.95, many)
    bodies["grain_s_um"][soma] = np.exp(rng.normal(0.1, 0.25, many))
    bodies["patch"][soma] = rng.uniform(0.35, 0.95, many)
    foamy = cells["soma"][kind == "foamy"]  # vacuoles leave a coarse net of cytoplasm
    for name in ("core_s", "shell_s"):
        bodies[name][foamy] *= 0.60
    bodies["grain_s"][foamy], bodies["grain_s_um"][foamy] = 0.98, rng.uniform(2.0, 3.0, len(foamy))
    soma = cells["soma"][kind == "neutrophil"]  # KP1 stains the granules of neutrophils, weakly
    weak = np.minimum(cells["strength"][kind == "neutrophil"], 1.1)
    bodies["core_s"][soma] = spec.stain * NEUTROPHIL_OD / SECTION_UM * weak
    bodies["grain_s"][soma], bodies["grain_s_um"][soma] = 0.5, 0.8


def _cd20(
    rng: np.random.Generator,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    on: NDArray[np.bool_],
    spec: SceneSpec,
) -> None:
    soma = cells["soma"][on]
    mean_radius = 0.5 * (1.0 / np.sqrt(bodies["uu"][soma]) + 1.0 / np.sqrt(bodies["vv"][soma]))
    varied = min(1.0, spec.variety)
    thick = MEMBRANE_UM * np.exp(varied * rng.normal(0.0, 0.25, len(soma)))
    bodies["inner"][soma] = 1.0 - thick / mean_radius
    bodies["shell_s"][soma] = spec.stain * CD20_OD / SECTION_UM * cells["strength"][on]
    inside = 0.05 + varied * spec.masking * rng.uniform(0.0, 2.0, len(soma))
    bodies["core_s"][soma] = inside * bodies["shell_s"][soma]
    bodies["grain_s"][soma], bodies["grain_s_um"][soma] = 0.30, 0.9
    # up to 1: parts of the membrane stay bare, the ring is open
    bodies["patch"][soma] = 0.35 + varied * 0.65 * rng.uniform(0.0, 1.0, len(soma)) ** 2
    cells["positive"][on] = True
    if varied * spec.masking > 0.0:
        owned = (bodies["part"] == NUCLEUS) & on[bodies["cell"]]
        hidden = np.zeros(len(cells))
        hidden[on] = inside - 0.05
        cover = hidden[bodies["cell"][owned]]
        shell = bodies["shell_s"][cells["soma"][bodies["cell"][owned]]]
        bodies["core_s"][owned] = bodies["shell_s"][owned] = cover * shell
        for name in ("core_h", "shell_h"):
            bodies[name][owned] *= 1.0 - np.minimum(0.9 * cover, 0.6)


def _nuclear(
    rng: np.random.Generator,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    on: NDArray[np.bool_],
    spec: SceneSpec,
) -> None:
    owner = bodies["cell"]
    part = (bodies["part"] == NUCLEUS) & on[owner] if len(cells) else np.zeros(0, bool)
    # Ki67 comes and goes with the cell cycle: amounts spread over more than a decade
    strength = np.exp(rng.normal(0.0, 0.25 + 0.35 * spec.variety, len(cells))) * cells["strength"]
    strength = strength.clip(0.5 if spec.variety == 0.0 else 0.05, 2.2)
    bodies["core_s"][part] = spec.stain * NUCLEAR_OD / SECTION_UM * strength[owner[part]]
    bodies["shell_s"][part] = bodies["core_s"][part]
    bodies["grain_s"][part], bodies["grain_s_um"][part] = 0.45, 1.2
    keep = 0.7 if spec.variety == 0.0 else 1.0 - 0.45 * np.minimum(strength[owner[part]], 1.0)
    bodies["core_h"][part] *= keep  # DAB laid down first keeps haematoxylin out
    bodies["shell_h"][part] *= keep
    if spec.variety > 0.0:
        bodies["grain_s"][part] = rng.uniform(0.3, 0.95, int(part.sum()))
        bodies["grain_s_um"][part] = rng.uniform(0.8, 1.7, int(part.sum()))
    cells["positive"][on] = True


def _cd31(
    rng: np.random.Generator,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    tubes: NDArray[np.void],
    on: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
    spec: SceneSpec,
) -> None:
    endothelial, decoys, vessel = on
    stain, varied = spec.stain, min(1.0, spec.variety)
    count = int(vessel.sum())
    tubes["wall_s"][vessel] = stain * CD31_OD * np.exp(rng.normal(0.0, 0.2 + 0.1 * varied, count))
    faint = np.flatnonzero(vessel)[rng.uniform(0.0, 1.0, count) < varied * spec.faint_vessels]
    tubes["wall_s"][faint] *= rng.uniform(0.30, 0.55, len(faint))
    tubes["uneven"][faint] = rng.uniform(1.0, 1.5, len(faint))
    tubes["uneven"][vessel] *= 1.0 + 0.5 * varied * rng.uniform(0.0, 1.0, count)
    soma = cells["soma"][endothelial]
    bodies["shell_s"][soma] = stain * 0.55 * CD31_OD / SECTION_UM
    bodies["core_s"][soma] = bodies["shell_s"][soma]
    bodies["grain_s"][soma] = 0.2
    cells["positive"][endothelial] = True
    soma = cells["soma"][decoys]
    bodies["core_s"][soma] = stain * DECOY_OD / SECTION_UM * cells["strength"][decoys]
    bodies["shell_s"][soma] = 1.6 * bodies["core_s"][soma]
    bodies["grain_s"][soma], bodies["grain_s_um"][soma] = 0.35, 1.3


def _eosin(
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    tubes: NDArray[np.void],
    kind: NDArray[np.str_],
    vessel: NDArray[np.bool_],
) -> None:
    od = np.array([EOSIN_OD[name] for name in CELL_TYPES])[cells["type"]]
    bodies["core_s"][cells["soma"]] = od / SECTION_UM
    bodies["shell_s"][cells["soma"]] = od / SECTION_UM
    bodies["core_h"][cells["soma"][kind == "tumour"]] *= TUMOUR_BASOPHILIA
    granular = cells["soma"][kind == "eosinophil"]
    bodies["grain_s"][granular], bodies["grain_s_um"][granular] = 0.5, 0.7
    tubes["wall_s"][vessel] = 0.42
    tubes["wall_s"][~vessel] *= 6.5
