"""Threshold of the field that is reviewed: a proposal with its reason goes into the reader's log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from histoquant.viewer.review_field import ReviewField
from histoquant.viewer.threshold_panel import Save, ThresholdPanel
from histoquant.viewer.thresholds import ScoredCells


class FieldThreshold(QWidget):  # type: ignore[misc]
    """The slider over the cells of one field: numbers of the whole slide would steer who judges a part.

    Parameters
    ----------
    viewer : napari.Viewer
    save : callable
        Takes the threshold and its reason.
    paint : callable
        Lays the reader's own corrections over the classes a threshold gives.
    """

    def __init__(self, viewer: Any, save: Save, paint: Callable[[float], None]) -> None:
        super().__init__()
        self._viewer, self._save, self._paint = viewer, save, paint
        self._layout = QVBoxLayout(self)
        self.panel: ThresholdPanel | None = None
        self._shown: QWidget | None = None

    def show_field(self, field: ReviewField, proposed_od: float | None) -> None:
        """Take up another field, at the threshold that the reader has proposed for it."""
        if self._shown is not None:
            self._layout.removeWidget(self._shown)
            self._shown.deleteLater()
        self.panel = None
        if not field.scored or field.cells.empty:
            self._shown = QLabel("No cells are scored here.")
        else:
            cells = ScoredCells(
                field.cells["dab_od"].to_numpy(np.float64), field.classes, field.threshold_od, 0.0, 0.0
            )
            self._shown = self.panel = ThresholdPanel(self._viewer, cells, self._save, self._paint)
            self.panel.set_threshold(field.threshold_od if proposed_od is None else proposed_od)
        # napari puts a stretch into the layout of what it docks
        self._layout.insertWidget(0, self._shown)
