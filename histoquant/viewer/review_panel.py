"""Dock panel of the review: verdict, corrections, regions, grades, comment; each into the log at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from histoquant.errors import HistoquantError
from histoquant.report.palette import NEGATIVE, POSITIVE
from histoquant.review.desk import Desk, FieldCells, other_class
from histoquant.review.events import CHECKLIST, REGIONS
from histoquant.viewer.layers import add_layers
from histoquant.viewer.review_field import FieldSource
from histoquant.viewer.review_threshold import FieldThreshold
from histoquant.viewer.slide_overlay import NOT_SHOWN, classes_of

LOOK, CLASS, ADD_POSITIVE, ADD_NEGATIVE, DELETE = (
    *("look", "change class", "add positive", "add negative"),
    "delete cell",
)
TOOLS = (LOOK, CLASS, ADD_POSITIVE, ADD_NEGATIVE, DELETE, *REGIONS)
_CELL_TOOLS = TOOLS[1:5]
_REGION_COLOURS = {"include": "#009e73", "exclude": "#7b3f98", "lumen": "#cc3377", "tract wall": "#8c6d1f"}
_TOOL_COLOURS = {
    **_REGION_COLOURS,
    ADD_POSITIVE: "#{:02x}{:02x}{:02x}".format(*POSITIVE),
    ADD_NEGATIVE: "#{:02x}{:02x}{:02x}".format(*NEGATIVE),
}


class ReviewPanel(QWidget):  # type: ignore[misc]
    """The queue and what can be said of a field.

    Parameters
    ----------
    viewer : napari.Viewer
    desk : Desk
    source : FieldSource
    """

    def __init__(self, viewer: Any, desk: Desk, source: FieldSource) -> None:
        super().__init__()
        self._viewer, self._desk, self._source = viewer, desk, source
        self.threshold: FieldThreshold | None = None
        layout = QVBoxLayout(self)
        self.title, self.progress, self.said = QLabel(), QLabel(), QLabel()
        self.title.setStyleSheet("font-size: 17px; font-weight: bold;")
        for label in (self.title, self.progress, self.said):
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addLayout(self._verdicts())
        layout.addWidget(self._tools())
        self.threshold_button = QPushButton("Threshold")
        self.threshold_button.setCheckable(True)
        self.threshold_button.clicked.connect(self._show_threshold)
        layout.addWidget(self.threshold_button)
        layout.addWidget(self._checklist())
        self.comment = QLineEdit()
        self.comment.setPlaceholderText("Comment")
        self.comment.editingFinished.connect(lambda: self._do(desk.comment, self.comment.text()))
        layout.addWidget(self.comment)
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)
        self.trouble.setStyleSheet("color: #b00020;")
        layout.addWidget(self.trouble)
        layout.addStretch()
        viewer.mouse_drag_callbacks.append(self._drag)
        for key, button in {"A": self.accept, "R": self.reject, "Control-Z": self.undo}.items():
            viewer.bind_key(key, lambda _, b=button: b.click(), overwrite=True)
        self.open_field()

    def _verdicts(self) -> QGridLayout:
        grid = QGridLayout()
        self.accept, self.reject = QPushButton("Accept  [A]"), QPushButton("Reject  [R]")
        self.previous, self.next, self.undo = QPushButton("Back"), QPushButton("Next"), QPushButton("Undo")
        self.accept.clicked.connect(lambda: self._judge("accepted"))
        self.reject.clicked.connect(lambda: self._judge("rejected"))
        self.previous.clicked.connect(lambda: self._go(-1))
        self.next.clicked.connect(lambda: self._go(1))
        self.undo.clicked.connect(self._undone)
        buttons = (self.accept, self.reject, self.undo, self.previous, self.next)
        for k, button in enumerate(buttons):
            grid.addWidget(button, k // 3, k % 3)
        return grid

    def _tools(self) -> QGroupBox:
        box = QGroupBox("Click a cell, or drag around a region")
        grid = QGridLayout(box)
        self._tool_group = QButtonGroup(self)
        self.tools = {}
        for k, tool in enumerate(TOOLS):
            button = QPushButton(tool.capitalize())
            button.setCheckable(True)
            button.setChecked(tool == LOOK)
            button.toggled.connect(lambda on, tool=tool: self._take(tool, on))
            if tool in _TOOL_COLOURS:
                button.setIcon(_patch(_TOOL_COLOURS[tool]))
            self._tool_group.addButton(button)
            self.tools[tool] = button
            grid.addWidget(button, k // 2, k % 2)
        self._tool = LOOK
        return box

    def _checklist(self) -> QGroupBox:
        box = QGroupBox("Grades, 0 for none")
        form = QFormLayout(box)
        self.grades = {}
        for name, highest in CHECKLIST.items():
            grade = QSpinBox()
            # below the lowest grade: not graded
            grade.setRange(-1, highest)
            grade.setSpecialValueText("not graded")
            grade.valueChanged.connect(
                lambda value, name=name: value >= 0 and self._do(self._desk.score, name, value)
            )
            form.addRow(name.replace("_", " ").capitalize(), grade)
            self.grades[name] = grade
        return box

    def open_field(self) -> None:
        """Show the field the desk is at."""
        self._shown = self._desk.item.item
        self._field = self._source.field(self._desk.item)
        self._viewer.layers.clear()
        layers = add_layers(self._viewer, self._field.layers)
        self._cells_layer = next(layer for layer in layers if layer.name == "cells")
        self._regions = self._viewer.add_shapes(name="regions", ndim=2, units=("um", "um"))
        self._added = self._viewer.add_points(
            name="added cells", ndim=2, size=6.0, border_color="#1f242b", units=("um", "um")
        )
        for layer in (self._regions, self._added):
            layer.editable = False
        self._viewer.layers.selection.active = layers[0]
        for tool in _CELL_TOOLS:
            self.tools[tool].setEnabled(self._field.scored)
        self._viewer.reset_view()
        self.refresh()
        self._show_threshold_of_field()

    def refresh(self) -> None:
        """Draw and write what the log says of the field."""
        desk, field = self._desk, self._field
        if self._shown != desk.item.item:
            self.open_field()
            return
        review = desk.review
        self._paint(None)
        self._cells_layer.refresh()
        self._draw_added(review)
        self._draw_regions(review)
        self.title.setText(f"Field {desk.item.item}   {field.marker}")
        self.progress.setText(f"{desk.place + 1} of {len(desk.items)};  {desk.done} judged")
        changes = len(review.classes) + len(review.deleted) + len(review.added)
        verdict = review.verdict or "not judged"
        proposed = "" if review.threshold_od is None else f";  threshold {review.threshold_od:.3f} OD"
        self.said.setText(
            f"{verdict};  cells corrected: {changes};  regions: {len(review.regions)}{proposed}"
        )
        for name, grade in self.grades.items():
            _quietly(grade, review.scores.get(name, -1))
        if self.comment.text() != review.comment:
            self.comment.setText(review.comment)

    def _paint(self, threshold_od: float | None) -> None:
        """Lay what the reader said over the classes of the machine, or of a threshold that is tried."""
        field = self._field
        self._state = FieldCells(field.cells, self._desk.review, threshold_od if field.scored else None)
        field.classes[:] = classes_of(self._state.positive)
        field.classes[self._state.deleted] = NOT_SHOWN

    def _show_threshold(self) -> None:
        """Open the threshold beside the field, or close it."""
        if self.threshold is None:
            self.threshold = FieldThreshold(self._viewer, self._propose, self._paint)
            self._viewer.window.add_dock_widget(self.threshold, name="Threshold", area="left")
        else:
            self.threshold.parentWidget().setVisible(self.threshold_button.isChecked())
            # what was tried and not saved is not shown any longer
            self.refresh()
        self._show_threshold_of_field()

    def _show_threshold_of_field(self) -> None:
        if self.threshold is not None and self.threshold_button.isChecked():
            self.threshold.show_field(self._field, self._desk.review.threshold_od)

    def _propose(self, threshold_od: float, why: str) -> None:
        self._do(self._desk.threshold, threshold_od, why)

    def _draw_added(self, review: Any) -> None:
        x0, y0 = self._field.origin_um
        added = list(review.added.values())
        self._added.data = np.array([[c["y_um"] - y0, c["x_um"] - x0] for c in added]).reshape(-1, 2)
        if added:
            colours = [POSITIVE if c["class"] == "positive" else NEGATIVE for c in added]
            self._added.face_color = np.array([[*(part / 255 for part in rgb), 1.0] for rgb in colours])

    def _draw_regions(self, review: Any) -> None:
        self._regions.data = []
        x0, y0 = self._field.origin_um
        for region in review.regions.values():
            ring = np.asarray(region["xy_um"], float).reshape(-1, 2) - (x0, y0)
            colour = _REGION_COLOURS[region["kind"]]
            self._regions.add_polygons(
                ring[:, ::-1], edge_width=1.5, edge_color=colour, face_color=colour + "30"
            )

    def _take(self, tool: str, on: bool) -> None:
        if not on:
            return
        self._tool = tool
        # a drag draws, or it moves the picture
        self._viewer.camera.mouse_pan = tool == LOOK

    def _drag(self, viewer: Any, event: Any) -> Iterator[None]:
        if self._tool == LOOK or event.button != 1:
            return
        path = [event.position[-2:]]
        yield
        while event.type == "mouse_move":
            path.append(event.position[-2:])
            yield
        xy_um = np.asarray(path, float)[:, ::-1] + self._field.origin_um
        if self._tool in REGIONS:
            self._do(self._desk.region, self._tool, xy_um.ravel().tolist())
        else:
            self._do(self._clicked, float(xy_um[0, 0]), float(xy_um[0, 1]))

    def _clicked(self, x_um: float, y_um: float) -> None:
        if self._tool in (ADD_POSITIVE, ADD_NEGATIVE):
            self._desk.add(x_um, y_um, self._tool.removeprefix("add "))
            return
        found = self._state.at(x_um, y_um)
        if found is None:
            return
        target, class_name = found
        if self._tool == DELETE:
            self._desk.delete(target, {"class": class_name})
        else:
            self._desk.classify(target, class_name, other_class(class_name))

    def _judge(self, verdict: str) -> None:
        if self._do(self._desk.verdict, verdict):
            self._go(1)

    def _go(self, step: int) -> None:
        self._do(self._desk.comment, self.comment.text())
        self._desk.go(step)
        self._do(self.refresh)

    def _undone(self) -> None:
        self._do(self._desk.undo)

    def _do(self, action: Any, *told: Any) -> bool:
        """Act and draw anew; what the log refuses is said, and not shown as done."""
        try:
            action(*told)
            self.trouble.setText("")
        except HistoquantError as error:
            self.trouble.setText(str(error))
            return False
        finally:
            self.refresh()
        return True


def _patch(colour: str) -> QIcon:
    """A square of the colour that a tool draws in."""
    patch = QPixmap(12, 12)
    patch.fill(QColor(colour))
    return QIcon(patch)


def _quietly(grade: QSpinBox, value: int) -> None:
    blocked = grade.blockSignals(True)
    grade.setValue(value)
    grade.blockSignals(blocked)
