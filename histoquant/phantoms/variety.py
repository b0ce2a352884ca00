"""What makes real cells harder than textbook cells: pale, vesicular, plump, oval and irregular nuclei.

Applied to a finished population from a random stream of its own, so that ``variety=0`` gives the
textbook cells unchanged, in the same places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.bodies import NUCLEOLUS, NUCLEUS, SECTION_UM, empty_bodies, shape_bodies
from histoquant.phantoms.cells import CELL_TYPES
from histoquant.phantoms.spec import SceneSpec

Bodies = NDArray[np.void]

DARKNESS_SD = 0.26  # ln sd of haematoxylin between nuclei of one type, beyond `cells`: Ki67 scans show 2-3 x
DARKEST_OD = 1.9  # a pyknotic lymphocyte over a full section
NUCLEOLUS_OD_PER_UM = 0.30


@dataclass(frozen=True)
class Habit:
    """How nuclei of one cell type depart from the textbook.

    Attributes
    ----------
    vesicular : float
        Share with pale, cleared chromatin and a thin dark rim, at ``faint`` = 1.
    oval : float
        Mean and sd of ln elongation.
    plump : float
        Share that are half as wide again.
    irregular : float
        Share with indented or angular outlines.
    """

    vesicular: float
    oval: float
    plump: float = 0.0
    irregular: float = 0.2


HABITS: dict[str, Habit] = {
    "t_cell": Habit(0.14, 0.07, irregular=0.25),
    "b_cell": Habit(0.20, 0.05),
    "plasma_cell": Habit(0.04, 0.05),
    "macrophage": Habit(0.55, 0.10, 0.0, 0.5),
    "fibroblast": Habit(0.40, 0.05, 0.45, 0.3),
    "endothelial": Habit(0.35, 0.05, 0.35),
    "epithelial": Habit(0.35, 0.10),
    "neutrophil": Habit(0.0, 0.0),
    "eosinophil": Habit(0.0, 0.0),
    "tumour": Habit(0.60, 0.10, 0.0, 0.6),
    "apoptotic": Habit(0.0, 0.0),
    "foamy": Habit(0.30, 0.05),
}


def vary(rng: np.random.Generator, spec: SceneSpec, cells: NDArray[np.void], bodies: Bodies) -> Bodies:
    """Change nuclei and cell bodies in place and return the nucleoli that belong to them.

    Parameters
    ----------
    rng : numpy.random.Generator
    spec : SceneSpec
        ``variety`` scales everything; ``faint`` the share of vesicular nuclei.
    cells, bodies : ndarray
        Bodies are changed in place.

    Returns
    -------
    ndarray of `bodies.BODY`
        Nucleoli, to be drawn after all other bodies.
    """
    if spec.variety == 0.0 or len(cells) == 0:
        return empty_bodies(0)
    index = np.flatnonzero(bodies["part"] == NUCLEUS)
    kind = cells["type"][bodies["cell"][index]]
    habits = [HABITS[name] for name in CELL_TYPES]
    draw = rng.uniform(0.0, 1.0, (4, len(cells)))[:, bodies["cell"][index]]  # lobes of a nucleus are alike
    vesicular = draw[0] < spec.faint * spec.variety * np.array([h.vesicular for h in habits])[kind]
    oval = np.array([h.oval for h in habits])[kind]
    stretch = np.exp(spec.variety * (oval + oval * rng.normal(0.0, 1.0, len(index)).clip(-2.0, 2.0)))
    _stretch(bodies, index, stretch)
    plump = draw[1] < spec.variety * np.array([h.plump for h in habits])[kind]
    _widen(bodies, index[plump], rng.uniform(1.3, 1.75, int(plump.sum())))
    rough = index[draw[2] < spec.variety * np.array([h.irregular for h in habits])[kind]]
    for order, most in (("e3", 0.14), ("e4", 0.09), ("e5", 0.07)):
        bodies[order][rough] = most * rng.uniform(-1.0, 1.0, len(rough))
    dark = np.exp(spec.variety * DARKNESS_SD * rng.normal(0.0, 1.0, len(cells)))[bodies["cell"][index]]
    _tone(rng, bodies, index, vesicular, dark)
    _somas(rng, spec, bodies)
    return _nucleoli(rng, bodies, index[vesicular])


def _stretch(bodies: Bodies, index: NDArray[np.int64], factor: NDArray[np.float64]) -> None:
    """Lengthen bodies by ``factor`` and narrow them by as much; the quadratic form follows exactly."""
    bodies["uu"][index] /= factor**2
    bodies["uz"][index] /= factor
    bodies["vv"][index] *= factor**2
    bodies["reach"][index] *= np.maximum(factor, 1.0 / factor)


def _widen(bodies: Bodies, index: NDArray[np.int64], factor: NDArray[np.float64]) -> None:
    """Widen bodies across their long axis, in the plane and a third of it through the section."""
    deep = factor ** (1.0 / 3.0)
    bodies["vv"][index] /= factor**2
    bodies["uz"][index] /= deep
    bodies["zz"][index] /= deep**2
    bodies["reach"][index] += 1.0


def _tone(
    rng: np.random.Generator,
    bodies: Bodies,
    index: NDArray[np.int64],
    vesicular: NDArray[np.bool_],
    dark: NDArray[np.float64],
) -> None:
    """Set how much haematoxylin each nucleus took and how its chromatin is spread."""
    for name in ("core_h", "shell_h"):
        bodies[name][index] = np.minimum(bodies[name][index] * dark, DARKEST_OD / SECTION_UM)
    bodies["grain_h"][index] = np.minimum(bodies["grain_h"][index] * rng.uniform(0.8, 1.5, len(index)), 0.9)
    pale = index[vesicular]
    bodies["core_h"][pale] *= rng.uniform(0.35, 0.65, len(pale))
    bodies["shell_h"][pale] *= rng.uniform(0.65, 0.95, len(pale))
    bodies["inner"][pale] = rng.uniform(0.84, 0.90, len(pale))
    bodies["grain_h"][pale] = rng.uniform(0.45, 0.85, len(pale))
    bodies["grain_h_um"][pale] *= rng.uniform(0.9, 1.5, len(pale))


def _somas(rng: np.random.Generator, spec: SceneSpec, bodies: Bodies) -> None:
    """Make cell bodies angular and unequal in basophilia, as crowding and shrinkage leave them."""
    soma = np.flatnonzero(bodies["part"] == 0)
    for order, most in (("e3", 0.08), ("e4", 0.06), ("e5", 0.05)):
        bodies[order][soma] += spec.variety * most * rng.uniform(-1.0, 1.0, len(soma))
    bodies["core_h"][soma] *= np.exp(spec.variety * rng.normal(0.1, 0.45, len(soma))).clip(0.4, 3.0)


def _nucleoli(rng: np.random.Generator, bodies: Bodies, pale: NDArray[np.int64]) -> Bodies:
    """Return 0 to 3 nucleoli for each vesicular nucleus."""
    each = rng.choice([0, 1, 2, 3], len(pale), p=[0.2, 0.4, 0.28, 0.12])
    owner = np.repeat(pale, each)
    out = empty_bodies(len(owner))
    if len(owner) == 0:
        return out
    long_um, short_um = 1.0 / np.sqrt(bodies["uu"][owner]), 1.0 / np.sqrt(bodies["vv"][owner])
    around, far = rng.uniform(0.0, 2.0 * np.pi, len(owner)), 0.55 * np.sqrt(rng.uniform(0, 1, len(owner)))
    u, v = far * long_um * np.cos(around), far * short_um * np.sin(around)
    v += bodies["bend"][owner] * u * u
    cos, sin = bodies["cos"][owner], bodies["sin"][owner]
    out["x"] = bodies["x"][owner] + u * cos - v * sin
    out["y"] = bodies["y"][owner] + u * sin + v * cos
    out["z"] = bodies["z"][owner] + 0.4 * rng.normal(0.0, 1.0, len(owner))
    size = np.minimum(rng.uniform(0.45, 1.0, len(owner)), 0.55 * short_um)
    shape_bodies(out, size, size, size, np.zeros(len(owner)), np.zeros(len(owner)))
    out["core_h"] = NUCLEOLUS_OD_PER_UM * rng.uniform(0.5, 1.2, len(owner))
    out["cell"], out["part"] = bodies["cell"][owner], NUCLEOLUS
    return out
