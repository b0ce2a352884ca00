"""Synthetic immunohistochemistry slides with exact truth.

Cells are bodies in space, a section cuts them, stain amounts add, light is absorbed by Beer-Lambert,
blurred by optics and counted with photon noise. What is drawn is known exactly.
"""

from __future__ import annotations

from histoquant.phantoms.appearance import APPEARANCES, SCANNERS, Appearance, Scanner
from histoquant.phantoms.artefacts import Artefact
from histoquant.phantoms.families import Family, families
from histoquant.phantoms.field import render_field
from histoquant.phantoms.render import render
from histoquant.phantoms.responders import VISITS, Responder, true_change
from histoquant.phantoms.samples import write_samples
from histoquant.phantoms.scene import Scene, build_scene
from histoquant.phantoms.spec import MARKERS, SceneSpec
from histoquant.phantoms.truth import Truth, tell_truth

__all__ = [
    "APPEARANCES",
    "MARKERS",
    "SCANNERS",
    "VISITS",
    "Appearance",
    "Artefact",
    "Family",
    "Responder",
    "Scanner",
    "Scene",
    "SceneSpec",
    "Truth",
    "build_scene",
    "families",
    "render",
    "render_field",
    "tell_truth",
    "true_change",
    "write_samples",
]
