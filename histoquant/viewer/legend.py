"""Dock panel: what the colours mean, a switch and a key per layer, and the cell under the cursor."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFormLayout, QGroupBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from histoquant.report.palette import AGGREGATE, NEGATIVE, POSITIVE, RGB, TISSUE, VESSEL, hatch_for
from histoquant.viewer.cell_words import SHOWN, CellFinder
from histoquant.viewer.layers import dress
from histoquant.viewer.slide_overlay import POSITIVE_CLASS, SlideOverlay

KEYS = {
    "slide": "B",
    "cells": "C",
    "vessels": "V",
    "aggregates": "G",
    "tissue": "T",
    "excluded": "X",
    "density per mm2": "D",
}
"""Key that hides and shows each layer."""


def kind_of(name: str) -> str:
    """What a layer shows, from its name: all exclusions share one key."""
    return "excluded" if name.startswith("excluded") else name


class LegendPanel(QWidget):  # type: ignore[misc]
    """What is shown.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    overlay : SlideOverlay, optional
        Default: that of the layers in the viewer.
    """

    def __init__(self, napari_viewer: Any, overlay: SlideOverlay | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._overlay = overlay or overlay_in(napari_viewer)
        self._finder = CellFinder(self._overlay.objects.cells) if self._overlay else None
        self._layout = QVBoxLayout(self)
        self._layout.addWidget(self._switches())
        self._layout.addWidget(self._cell_box())
        self._layout.addStretch()
        napari_viewer.mouse_move_callbacks.append(self._moved)
        for kind, key in KEYS.items():
            napari_viewer.bind_key(key, _toggle(kind), overwrite=True)

    def _switches(self) -> QGroupBox:
        box = QGroupBox("Shown")
        rows = QVBoxLayout(box)
        for layer in reversed(self._viewer.layers):
            dress(layer)
            kind = kind_of(layer.name)
            if kind not in KEYS and kind != layer.name:
                continue
            switch = QCheckBox(f"{layer.name}   [{KEYS[kind]}]" if kind in KEYS else layer.name)
            switch.setChecked(layer.visible)
            switch.toggled.connect(lambda on, layer=layer: setattr(layer, "visible", on))
            layer.events.visible.connect(lambda event, s=switch, layer=layer: s.setChecked(layer.visible))
            rows.addWidget(switch)
            for colour, words in self._colours(kind, layer.name):
                rows.addLayout(_swatch(colour, words))
        return box

    def _colours(self, kind: str, name: str) -> list[tuple[RGB, str]]:
        overlay = self._overlay
        if kind == "cells":
            if overlay is None or not overlay.has_classes:
                return [(NEGATIVE, "nucleus")]
            return [(POSITIVE, f"{overlay.row['marker']}+ cell"), (NEGATIVE, "other nucleus")]
        if kind == "excluded":
            return [(hatch_for(name.removeprefix("excluded: ").replace(" ", "_")).color, name)]
        known: dict[str, list[tuple[RGB, str]]] = {
            "vessels": [(VESSEL, "vessel, wall and lumen"), (NEGATIVE, "stained, no vessel")],
            "aggregates": [(AGGREGATE, "lymphoid aggregate")],
            "tissue": [(TISSUE, "edge of the tissue")],
        }
        return known.get(kind, [])

    def _cell_box(self) -> QGroupBox:
        box = QGroupBox("Cell under the cursor")
        form = QFormLayout(box)
        self._names, self._values = [], []
        for _ in range(len(SHOWN) + 1):
            name, value = QLabel(""), QLabel("")
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            form.addRow(name, value)
            self._names.append(name)
            self._values.append(value)
        self.show_cell(None)
        return box

    def show_cell(self, row: int | None) -> None:
        """Show what was measured of a cell."""
        words: list[tuple[str, str]] = [("none", "")]
        if row is not None and self._finder is not None and self._overlay is not None:
            scored = self._overlay.has_classes
            positive = self._overlay.classes[row] == POSITIVE_CLASS
            words = self._finder.words(row, ("positive" if positive else "negative") if scored else "")
        for k, (name, value) in enumerate(zip(self._names, self._values, strict=True)):
            name.setText(words[k][0] if k < len(words) else "")
            value.setText(words[k][1] if k < len(words) else "")

    def _moved(self, viewer: Any, event: Any) -> None:
        if self._finder is not None:
            y_um, x_um = event.position[-2:]
            self.show_cell(self._finder.at(float(x_um), float(y_um)))


def overlay_in(viewer: Any) -> SlideOverlay | None:
    """The overlay whose layers a viewer shows, the topmost if there are several."""
    found = [layer.metadata.get("histoquant") for layer in viewer.layers]
    return next((overlay for overlay in reversed(found) if isinstance(overlay, SlideOverlay)), None)


def _toggle(kind: str) -> Any:
    def toggle(viewer: Any) -> None:
        for layer in viewer.layers:
            if kind_of(layer.name) == kind:
                layer.visible = not layer.visible

    return toggle


def _swatch(colour: RGB, words: str) -> QHBoxLayout:
    line = QHBoxLayout()
    patch = QLabel()
    patch.setFixedSize(14, 14)
    patch.setStyleSheet(f"background-color: rgb{colour}; border: 1px solid #8a929c;")
    line.addSpacing(20)
    line.addWidget(patch)
    line.addWidget(QLabel(words), 1)
    return line
