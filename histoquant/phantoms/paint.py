"""Give each marker's stain to the cells and walls that carry it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.bodies import SECTION_UM
from histoquant.phantoms.cells import CELL_TYPES
from histoquant.phantoms.spec import SceneSpec
from histoquant.phantoms.structures import VESSEL_KINDS

# OD of the marker over a full section where it is densest, before blur and cell-to-cell variation
CD68_OD, CD20_OD, CD31_OD, NUCLEAR_OD = 0.85, 1.75, 1.25, 1.05
MEMBRANE_UM = 0.55  # optical thickness of a DAB-stained membrane
DECOY_OD = 0.60
WEAKEST, STRONGEST = 0.55, 1.7  # limits of cell-to-cell stain strength: a true positive is never invisible

EOSIN_OD = {  # eosin over a full section of each cell body
    "plasma_cell": 0.26, "macrophage": 0.22, "fibroblast": 0.30, "endothelial": 0.30, "neutrophil": 0.22,
    "eosinophil": 0.85, "t_cell": 0.10, "b_cell": 0.10, "epithelial": 0.0,
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
    cells["strength"] = np.exp(rng.normal(0.0, 0.28, len(cells))).clip(WEAKEST, STRONGEST)
    kind = np.array(CELL_TYPES)[cells["type"]]
    if spec.marker == "HE":
        _eosin(cells, bodies, tubes, kind, vessel)
        return
    tubes["wall_s"][vessel] = 0.0
    if spec.stain == 0.0:
        return
    if spec.marker == "CD68":
        _cd68(cells, bodies, kind == "macrophage", spec.stain)
    elif spec.marker == "CD20":
        _cd20(cells, bodies, kind == "b_cell", spec.stain)
    elif spec.marker == "nuclear":
        share = np.where(kind == "epithelial", 2.5 * spec.positive_share, spec.positive_share)
        share[kind == "fibroblast"] *= 0.3
        _nuclear(rng, cells, bodies, rng.uniform(0.0, 1.0, len(cells)) < share, spec.stain)
    else:
        decoys = kind == "macrophage"
        share_decoys = min(1.0, spec.decoys / max(spec.macrophages, 1e-9))
        decoys &= rng.uniform(0.0, 1.0, len(cells)) < share_decoys
        _cd31(rng, cells, bodies, tubes, (kind == "endothelial", decoys, vessel), spec.stain)


def _cd68(cells: NDArray[np.void], bodies: NDArray[np.void], on: NDArray[np.bool_], stain: float) -> None:
    soma = cells["soma"][on]
    bodies["core_s"][soma] = stain * CD68_OD / SECTION_UM * cells["strength"][on]
    bodies["shell_s"][soma] = 0.5 * bodies["core_s"][soma]
    bodies["grain_s"][soma], bodies["grain_s_um"][soma] = 0.85, 1.0
    bodies["patch"][soma] = 0.55
    cells["positive"][on] = True


def _cd20(cells: NDArray[np.void], bodies: NDArray[np.void], on: NDArray[np.bool_], stain: float) -> None:
    soma = cells["soma"][on]
    mean_radius = 0.5 * (1.0 / np.sqrt(bodies["uu"][soma]) + 1.0 / np.sqrt(bodies["vv"][soma]))
    bodies["inner"][soma] = 1.0 - MEMBRANE_UM / mean_radius
    bodies["shell_s"][soma] = stain * CD20_OD / SECTION_UM * cells["strength"][on]
    bodies["core_s"][soma] = 0.05 * bodies["shell_s"][soma]
    bodies["grain_s"][soma], bodies["grain_s_um"][soma] = 0.30, 0.9
    bodies["patch"][soma] = 0.35
    cells["positive"][on] = True


def _nuclear(
    rng: np.random.Generator,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    on: NDArray[np.bool_],
    stain: float,
) -> None:
    owner = bodies["cell"]
    part = (bodies["part"] == 1) & on[owner] if len(cells) else np.zeros(0, bool)
    strength = np.exp(rng.normal(0.0, 0.25, len(cells))) * cells["strength"]
    bodies["core_s"][part] = stain * NUCLEAR_OD / SECTION_UM * strength.clip(0.5, 2.2)[owner[part]]
    bodies["shell_s"][part] = bodies["core_s"][part]
    bodies["grain_s"][part], bodies["grain_s_um"][part] = 0.45, 1.2
    bodies["core_h"][part] *= 0.7  # DAB laid down first keeps haematoxylin out
    bodies["shell_h"][part] *= 0.7
    cells["positive"][on] = True


def _cd31(
    rng: np.random.Generator,
    cells: NDArray[np.void],
    bodies: NDArray[np.void],
    tubes: NDArray[np.void],
    on: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
    stain: float,
) -> None:
    endothelial, decoys, vessel = on
    tubes["wall_s"][vessel] = stain * CD31_OD * np.exp(rng.normal(0.0, 0.2, int(vessel.sum())))
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
    granular = cells["soma"][kind == "eosinophil"]
    bodies["grain_s"][granular], bodies["grain_s_um"][granular] = 0.5, 0.7
    tubes["wall_s"][vessel] = 0.42
    tubes["wall_s"][~vessel] *= 6.5
