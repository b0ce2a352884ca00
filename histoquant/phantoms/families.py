"""Named phantom configurations: what the accuracy benchmark measures, one difficulty at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.appearance import APPEARANCES, SCANNERS, Appearance
from histoquant.phantoms.artefacts import Artefact
from histoquant.phantoms.field import render_field
from histoquant.phantoms.truth import Truth


@dataclass(frozen=True)
class Family:
    """One phantom configuration.

    Attributes
    ----------
    name : str
        ``marker-difficulty``, for example ``CD68-pale``; fit for a file name.
    marker : str
    about : str
        What is difficult about it, one line.
    appearance : Appearance
    size_um : float
    scene : dict
        Fields of `SceneSpec` that differ from the default.
    artefacts : tuple of Artefact
    """

    name: str
    marker: str
    about: str
    appearance: Appearance = APPEARANCES["normal"]
    size_um: float = 600.0
    scene: dict[str, float] = field(default_factory=dict)
    artefacts: tuple[Artefact, ...] = ()

    def render(self, seed: int = 1) -> tuple[NDArray[np.uint8], Truth]:
        """Render the family's scene with a seed; see `render_field`."""
        return render_field(
            self.marker, self.size_um, seed, self.appearance, artefacts=self.artefacts, **self.scene
        )


_LOOKS = {
    "normal": "textbook stain on a good scanner",
    "pale": "half the haematoxylin, three quarters of the DAB",
    "strong": "overstained, with haze",
    "vector-shifted": "both stain colours off by 5-6 degrees",
    "white-shifted": "bluish glass at (228, 232, 236), uneven light",
    "blurred": "optics of 0.75 um",
    "noisy": "a sixteenth of the light",
    "hazy": "unspecific DAB of 0.06 OD over all tissue",
}
_BASE: dict[str, dict[str, float]] = {
    "CD68": {},
    "CD20": {"aggregates": 3.0, "b_cells": 420.0},
    "CD31": {},
    "nuclear": {},
    "HE": {},
}
_DAMAGE: dict[str, tuple[str, tuple[Artefact, ...]]] = {
    "widefold": (
        "a broad fold: three layers over 80 um",
        (Artefact("fold", ((130.0, 60.0), (270.0, 260.0), (330.0, 560.0)), 42.0, seed=15),),
    ),
    "crush": (
        "a patch of crushed cells drawn out into streaks",
        (Artefact("crush", ((330.0, 290.0), (420.0, 330.0)), 105.0, seed=16),),
    ),
    "fold": (
        "tissue folded over itself: three layers",
        (Artefact("fold", ((200.0, 90.0), (290.0, 250.0), (310.0, 480.0)), 16.0, seed=5),),
    ),
    "pen": (
        "blue marker ink over tissue",
        (Artefact("pen", ((-40.0, 140.0), (260.0, 210.0), (640.0, 170.0)), 55.0, seed=6),),
    ),
    "bubble": ("air under the coverslip", (Artefact("bubble", ((330.0, 280.0),), 90.0, seed=7),)),
    "defocus": (
        "a patch out of focus",
        (Artefact("defocus", ((300.0, 320.0),), 150.0, strength=2.6, seed=8),),
    ),
    "debris": (
        "dust on the glass",
        tuple(
            Artefact("debris", ((60.0 + 97.0 * k % 560.0, 40.0 + 171.0 * k % 540.0),), 2.0 + k % 4, seed=k)
            for k in range(1, 13)
        ),
    ),
}


def families() -> list[Family]:
    """Return every family, in a fixed order."""
    out = []
    for marker, scene in _BASE.items():
        for look, about in _LOOKS.items():
            out.append(Family(f"{marker}-{look}", marker, about, APPEARANCES[look], scene=scene))
        for letter in ("B", "C"):
            seen = APPEARANCES["normal"].with_scanner(SCANNERS[letter])
            about = f"the scene of {marker}-normal on a scanner of {seen.scanner.mpp} um/px"
            out.append(Family(f"{marker}-scanner-{letter}", marker, about, seen, scene=scene))
    for marker in ("CD68", "CD20", "CD31"):
        scene = _BASE[marker]
        out.append(
            Family(
                f"{marker}-crowded",
                marker,
                "a dense infiltrate: touching and overlapping nuclei",
                scene={**scene, "t_cells": 3600.0, "plasma_cells": 1100.0, "macrophages": 420.0},
            )
        )
        out.append(
            Family(f"{marker}-negative-control", marker, "no primary antibody", scene={**scene, "stain": 0.0})
        )
        for name, (about, artefacts) in _DAMAGE.items():
            out.append(Family(f"{marker}-{name}", marker, about, scene=scene, artefacts=artefacts))
        out.append(
            Family(f"{marker}-pigment", marker, "dark pigment clumps", scene={**scene, "pigment": 25.0})
        )
        edge = (Artefact("edge_dab", (), 70.0, seed=17),)
        about = "DAB piled up along the tissue edge"
        out.append(
            Family(f"{marker}-edge-dab", marker, about, scene={**scene, "fragments": 1}, artefacts=edge)
        )
        out.append(
            Family(f"{marker}-haze-uneven", marker, "cloudy unspecific DAB", scene={**scene, "haze": 5.0})
        )
    return out + _biopsies() + _hard() + _densities()


def _hard() -> list[Family]:
    """Return scenes as hard as the hardest real fields looked at."""
    tumour = {
        "tumour_cells": 4200.0, "overlap": 0.62, "t_cells": 420.0, "b_cells": 60.0, "plasma_cells": 120.0,
        "macrophages": 110.0, "crypts": 0.0, "apoptotic": 40.0,
    }  # fmt: skip
    faint = {"faint": 2.0, "variety": 1.3, "fibroblasts": 900.0}
    out = [
        Family(f"{m}-tumour", m, "large vesicular nuclei, overlapping", scene=tumour)
        for m in ("nuclear", "HE")
    ]
    out += [
        Family(f"{m}-faint", m, "pale, vesicular, plump and blurred nuclei", scene=faint)
        for m in ("nuclear", "HE", "CD68")
    ]
    sheet = {
        "aggregates": 9.0,
        "aggregate_radius_um": 150.0,
        "b_cells": 300.0,
        "masking": 0.40,
    }
    foamy = {"macrophages": 420.0, "foamy": 0.5, "clumps": 0.7, "granules": 150.0, "neutrophils": 260.0}
    collapsed = {"vessels": 200.0, "collapsed": 0.6, "faint_vessels": 0.4, "decoys": 70.0}
    return [
        *out,
        Family("CD20-sheet", "CD20", "sheets whose brown masks the counterstain", scene=sheet),
        Family("CD68-foamy", "CD68", "foamy and clumped macrophages, granules, neutrophils", scene=foamy),
        Family("CD31-collapsed", "CD31", "collapsed, faint and interrupted capillaries", scene=collapsed),
    ]


DENSITIES: dict[str, tuple[str, tuple[float, ...]]] = {
    "CD68": ("macrophages", (30.0, 90.0, 180.0, 320.0, 560.0, 840.0, 1100.0)),
    "CD20": ("b_cells", (40.0, 120.0, 250.0, 420.0, 700.0, 1100.0, 1600.0)),
    "CD31": ("vessels", (30.0, 70.0, 110.0, 160.0, 220.0, 280.0, 340.0)),
}
"""Scene parameter and values, per mm2, over which agreement of densities is measured."""


def _densities() -> list[Family]:
    """Return each marker over its range of densities, with little else changed."""
    return [
        Family(
            f"{marker}-density-{value:04.0f}",
            marker,
            f"{value:.0f} {name} per mm2 asked for",
            scene={name: value},
        )
        for marker, (name, values) in DENSITIES.items()
        for value in values
    ]


def _biopsies() -> list[Family]:
    """Return whole fragments on glass, sparse and rich scenes, and a blank slide."""
    return [
        Family("CD68-biopsy", "CD68", "two fragments on glass", size_um=1000.0, scene={"fragments": 2}),
        Family(
            "CD20-biopsy",
            "CD20",
            "fragments and aggregates",
            size_um=1000.0,
            scene={"fragments": 2, "aggregates": 3.0},
        ),
        Family("CD31-biopsy", "CD31", "two fragments on glass", size_um=1000.0, scene={"fragments": 2}),
        Family("CD68-sparse", "CD68", "few positive cells", scene={"macrophages": 30.0}),
        Family("CD68-rich", "CD68", "macrophages in sheets", scene={"macrophages": 1100.0, "t_cells": 700.0}),
        Family("CD20-diffuse", "CD20", "single B cells, no aggregate", scene={"b_cells": 500.0}),
        Family("CD31-decoys", "CD31", "many stained round cells", scene={"decoys": 160.0}),
        Family("CD31-dense", "CD31", "granulation tissue", scene={"vessels": 320.0, "crypts": 0.0}),
        Family("CD68-blank", "CD68", "clear glass", scene={"fragments": -1}),
    ]
