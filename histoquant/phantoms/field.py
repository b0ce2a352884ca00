"""One call from a marker to pixels and truth, for tests, benchmarks and documentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from histoquant.errors import UsageError
from histoquant.phantoms.appearance import APPEARANCES, Appearance
from histoquant.phantoms.artefacts import Artefact
from histoquant.phantoms.damage import along_edge
from histoquant.phantoms.render import render
from histoquant.phantoms.scene import build_scene
from histoquant.phantoms.spec import SceneSpec
from histoquant.phantoms.truth import Truth, tell_truth


def render_field(
    marker: str = "CD68",
    size_um: float | tuple[float, float] = 500.0,
    seed: int = 1,
    appearance: Appearance | str = "normal",
    *,
    mpp: float | None = None,
    artefacts: tuple[Artefact, ...] = (),
    **scene: float,
) -> tuple[NDArray[np.uint8], Truth]:
    """Render a phantom field.

    Parameters
    ----------
    marker : str
        CD68, CD20, CD31, HE or nuclear.
    size_um : float or (float, float)
        Side of the field, or width and height.
    seed : int
        Same arguments, same bytes.
    appearance : Appearance or str
        An appearance or the name of one of `APPEARANCES`.
    mpp : float, optional
        um per pixel instead of the appearance's scanner's.
    artefacts : tuple of Artefact
    **scene
        Any other field of `SceneSpec`, such as ``b_cells=400`` or ``fragments=2``.

    Returns
    -------
    rgb : ndarray of uint8, shape (h, w, 3)
    truth : Truth

    Raises
    ------
    UsageError
        If a name is unknown or a number is out of range.
    """
    if isinstance(appearance, str):
        if appearance not in APPEARANCES:
            raise UsageError(f"phantom appearance {appearance!r}: choose one of {', '.join(APPEARANCES)}")
        appearance = APPEARANCES[appearance]
    if mpp is not None:
        appearance = replace(appearance, scanner=replace(appearance.scanner, mpp=mpp))
    size = (float(size_um), float(size_um)) if isinstance(size_um, (int, float)) else size_um
    spec = replace(SceneSpec(marker, size, seed), **scene)  # type: ignore[arg-type]
    return draw_field(spec, appearance, artefacts)


def draw_field(
    spec: SceneSpec, appearance: Appearance, artefacts: tuple[Artefact, ...] = ()
) -> tuple[NDArray[np.uint8], Truth]:
    """Draw a section given by its spec; see `render_field`."""
    built = build_scene(spec)
    artefacts = tuple(along_edge(artefact, built.ground) for artefact in artefacts)
    drawn = render(built, appearance, artefacts)
    return drawn.rgb, tell_truth(built, appearance, artefacts, drawn.stained_um2)
