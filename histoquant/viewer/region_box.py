"""The visible field quantified anew with other parameters, beside what the run has stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from histoquant.errors import HistoquantError, StoreError
from histoquant.export.object_rings import cell_rings
from histoquant.metrics.density import density
from histoquant.report.palette import NEGATIVE, POSITIVE
from histoquant.run.try_region import FinishedSlide, RegionTrial, read_finished, try_region
from histoquant.slides import open_slide
from histoquant.viewer.class_picture import ClassPicture
from histoquant.viewer.layers import add_layers
from histoquant.viewer.slide_overlay import Layer, SlideOverlay, classes_of, outline_layer, picture_layer

PROPOSAL, FIELD = "proposal", "field tried"
KEY = "P"
_ROWS: Final = ("nuclei", "positive", "per cent", "per mm²")
_FIELD_COLOUR = (204, 51, 119)
# the slider above has the threshold
_NOT_HERE = ("threshold_od", "dab_standard_od")


class RegionBox(QWidget):  # type: ignore[misc]
    """Parameters of the marker, a button, and what they make of the field that is shown.

    Parameters
    ----------
    viewer : napari.Viewer
    overlay : SlideOverlay
        With the results folder it was read from.
    threshold_od : callable
        Gives the threshold that is tried.
    """

    def __init__(self, viewer: Any, overlay: SlideOverlay, threshold_od: Callable[[], float]) -> None:
        super().__init__()
        self._viewer, self._overlay, self._threshold_od = viewer, overlay, threshold_od
        self.trial: RegionTrial | None = None
        self.fields: dict[str, QDoubleSpinBox] = {}
        # the panel must fit beside others on a screen of 1000 px: opened on demand
        self.open_button = QPushButton("Visible field, quantified anew")
        self.open_button.setCheckable(True)
        inside = QWidget()
        inside.setVisible(False)
        self.open_button.toggled.connect(inside.setVisible)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        for part in (self.open_button, inside):
            outside.addWidget(part)
        layout = QVBoxLayout(inside)
        self.trouble = QLabel("")
        self.trouble.setWordWrap(True)
        try:
            assert overlay.root is not None
            self._finished: FinishedSlide | None = read_finished(overlay.root, overlay.objects.slide_id)
        except HistoquantError as error:
            self._finished = None
            self.trouble.setText(str(error))
            layout.addWidget(self.trouble)
            return
        layout.addLayout(self._form())
        layout.addLayout(self._buttons())
        layout.addLayout(self._table())
        self.applied = QLabel("")
        self.applied.setWordWrap(True)
        self.applied.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self.applied)
        layout.addWidget(self.trouble)
        viewer.bind_key(KEY, lambda _: self.swap(), overwrite=True)

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        assert self._finished is not None
        marker = self._finished.planned.plan.marker
        for name, field in type(marker).model_fields.items():
            value = getattr(marker, name)
            if name in _NOT_HERE or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            low, high = _bounds(field.metadata)
            box = QDoubleSpinBox()
            box.setDecimals(2)
            box.setRange(low, high)
            box.setSingleStep(0.1 if high <= 15 else 5.0)
            box.setValue(float(value))
            box.setToolTip(field.description or "")
            form.addRow(_spoken(name), box)
            self.fields[name] = box
        return form

    def _buttons(self) -> QHBoxLayout:
        line = QHBoxLayout()
        self.run_button, self.swap_button = QPushButton("Quantify"), QPushButton(f"Stored / new  [{KEY}]")
        self.clear_button = QPushButton("Take away")
        for button, act in (
            (self.run_button, self.run),
            (self.swap_button, self.swap),
            (self.clear_button, self.clear),
        ):
            button.clicked.connect(act)
            line.addWidget(button)
        self._allow()
        return line

    def _table(self) -> QGridLayout:
        grid = QGridLayout()
        self.values: dict[tuple[str, str], QLabel] = {}
        for row, name in enumerate(_ROWS, start=1):
            grid.addWidget(QLabel(name), row, 0)
        for column, side in enumerate(("stored", "new"), start=1):
            grid.addWidget(QLabel(side), 0, column, Qt.AlignmentFlag.AlignRight)
            for row, name in enumerate(_ROWS, start=1):
                self.values[side, name] = label = QLabel("–")
                grid.addWidget(label, row, column, Qt.AlignmentFlag.AlignRight)
        return grid

    def settings(self) -> dict[str, float]:
        """What differs from the run's parameters."""
        assert self._finished is not None
        plan = self._finished.planned.plan
        changed = {
            name: box.value()
            for name, box in self.fields.items()
            if abs(box.value() - float(getattr(plan.marker, name))) > 1e-9
        }
        threshold_od = self._threshold_od()
        if abs(threshold_od - plan.threshold_od) > 1e-6:
            changed["threshold_od"] = round(threshold_od, 4)
        return changed

    def run(self) -> None:
        """Quantify what is visible, and show it in place of the stored cells."""
        self.clear()
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            self.trial = self._try()
        except HistoquantError as error:
            self.trouble.setText(str(error))
            return
        finally:
            QApplication.restoreOverrideCursor()
        self.trouble.setText("")
        layers = add_layers(self._viewer, self._drawn(self.trial))
        self._viewer.layers.selection.active = layers[0]
        self._show(_stored(self._overlay, self.trial), "stored", self.trial.tissue_mm2)
        self._show(self.trial.cells["positive"].to_numpy(bool), "new", self.trial.tissue_mm2)
        told = " ".join(f"--set {name}={value:g}" for name, value in self.settings().items())
        self.applied.setText(f"For the whole slide: {told}" if told else "Parameters are those of the run.")
        self._stored_visible(False)
        self._allow()

    def swap(self) -> None:
        """Show the stored cells instead of the new ones, or the other way round."""
        new = self._layer(PROPOSAL)
        if new is not None:
            new.visible = not new.visible
            self._stored_visible(not new.visible)

    def clear(self) -> None:
        """Take the proposal away; nothing of it is kept."""
        for name in (PROPOSAL, FIELD):
            layer = self._layer(name)
            if layer is not None:
                self._viewer.layers.remove(layer)
        self._stored_visible(True)
        self.trial = None
        for label in self.values.values():
            label.setText("–")
        self.applied.setText("")
        self._allow()

    def _try(self) -> RegionTrial:
        assert self._finished is not None
        path = self._overlay.slide_file
        if path is None:
            raise StoreError("the slide is not beside the results, so no pixel can be read again.")
        with open_slide(path, mpp=float(self._overlay.row["mpp"])) as slide:
            return try_region(slide, self._finished, visible_um(self._viewer), self.settings())

    def _drawn(self, trial: RegionTrial) -> list[Layer]:
        objects = self._overlay.objects
        outlines = pa.array(trial.cells["outline_xy_px"].tolist(), type=pa.list_(pa.float32()))
        classes = classes_of(trial.cells["positive"].to_numpy(bool))
        levels = ClassPicture.levels(
            cell_rings(outlines, objects.factor_xy), classes, objects.plane_size_px, outline_px=2
        )
        left, top, right, bottom = trial.box_um
        ring = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
        return [
            picture_layer(PROPOSAL, levels, {1: NEGATIVE, 2: POSITIVE}, objects.plane_mpp_xy),
            outline_layer(FIELD, [ring], _FIELD_COLOUR, max(1.0, (right - left) / 400)),
        ]

    def _show(self, positive: NDArray[np.bool_], side: str, tissue_mm2: float) -> None:
        count, nuclei = int(positive.sum()), len(positive)
        per_mm2 = density(count, tissue_mm2).value
        told = (
            f"{nuclei:,}",
            f"{count:,}",
            f"{100 * count / nuclei:.1f}" if nuclei else "–",
            "–" if per_mm2 is None else f"{per_mm2:,.0f}",
        )
        for name, text in zip(_ROWS, told, strict=True):
            self.values[side, name].setText(text)

    def _stored_visible(self, visible: bool) -> None:
        cells = self._layer("cells")
        if cells is not None:
            cells.visible = visible

    def _layer(self, name: str) -> Any:
        return next((layer for layer in self._viewer.layers if layer.name == name), None)

    def _allow(self) -> None:
        for button in (self.swap_button, self.clear_button):
            button.setEnabled(self.trial is not None)


def visible_um(viewer: Any) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what the canvas shows, in micrometres."""
    native = viewer.window._qt_viewer.canvas.native
    y_um, x_um = (float(v) for v in viewer.camera.center[-2:])
    half_x, half_y = (size / 2 / float(viewer.camera.zoom) for size in (native.width(), native.height()))
    return x_um - half_x, y_um - half_y, x_um + half_x, y_um + half_y


def _stored(overlay: SlideOverlay, trial: RegionTrial) -> NDArray[np.bool_]:
    """Classes that the run gave the cells of the region."""
    cells = overlay.objects.cells
    inside = trial.holds(cells["cell_id"].to_numpy(zero_copy_only=False))
    return np.asarray(cells["positive"].to_numpy(zero_copy_only=False).astype(bool)[inside])


def _bounds(metadata: Iterable[Any]) -> tuple[float, float]:
    low, high = 0.0, 1e6
    for rule in metadata:
        low = getattr(rule, "ge", getattr(rule, "gt", low))
        high = getattr(rule, "le", getattr(rule, "lt", high))
    return float(low), float(high)


def _spoken(name: str) -> str:
    for ending, unit in (("_um2", ", µm²"), ("_um", ", µm"), ("_od", ", OD")):
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " ") + unit
    return name.replace("_", " ")
