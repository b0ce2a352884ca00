"""Dock panel: the cells' DAB as a histogram, a threshold to drag, and what it makes of the slide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from histoquant.report.palette import NEGATIVE, POSITIVE
from histoquant.viewer.legend import overlay_in
from histoquant.viewer.region_box import RegionBox
from histoquant.viewer.slide_overlay import SlideOverlay
from histoquant.viewer.thresholds import Numbers, ScoredCells, ThresholdTrial

STEPS = 1000
Save = Callable[[float, str], None]


class ThresholdPanel(QWidget):  # type: ignore[misc]
    """Move the threshold of a slide.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    overlay : SlideOverlay or ScoredCells, optional
        Default: that of the layers in the viewer.
    save : callable, optional
        Takes the proposed threshold and its reason; without it nothing is kept.
    moved : callable, optional
        Called after cells were recoloured and before they are drawn.
    """

    def __init__(
        self,
        napari_viewer: Any,
        overlay: SlideOverlay | ScoredCells | None = None,
        save: Save | None = None,
        moved: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._save, self._tell = save, moved
        self.trial: ThresholdTrial | None = None
        self._edges = np.array([0.0, 1.0])
        self._layout = QVBoxLayout(self)
        found = overlay or overlay_in(napari_viewer)
        if found is None or (isinstance(found, SlideOverlay) and not found.has_classes):
            self._layout.addWidget(QLabel("Open results of a marker that scores cells first."))
            return
        self.trial = ThresholdTrial(ScoredCells.of(found) if isinstance(found, SlideOverlay) else found)
        counts, self._edges = self.trial.histogram()
        self._draw(counts)
        self._add_slider()
        self._add_numbers()
        self._add_proposal()
        if isinstance(found, SlideOverlay) and found.root is not None:
            self.region = RegionBox(napari_viewer, found, lambda: self._threshold_od)
            self._layout.addWidget(self.region)
        self._layout.addStretch()
        self.set_threshold(self.trial.machine_od)

    @property
    def _threshold_od(self) -> float:
        return self.trial.threshold_od if self.trial is not None else 0.0

    def set_threshold(self, threshold_od: float) -> None:
        """Move the slider; everything else follows."""
        self.slider.setValue(round(threshold_od / float(self._edges[-1]) * STEPS))
        self._moved_to(threshold_od)

    def _draw(self, counts: Any) -> None:
        figure = Figure(figsize=(3.4, 2.1), layout="constrained")
        self._canvas = FigureCanvasQTAgg(figure)  # type: ignore[no-untyped-call]
        self._canvas.setFixedHeight(190)
        self._canvas.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        axes = self._axes = figure.add_subplot()
        middles = (self._edges[1:] + self._edges[:-1]) / 2
        self._bars = axes.bar(middles, np.maximum(counts - 0.5, 0.0), np.diff(self._edges), bottom=0.5)
        axes.set(xlabel="DAB of the cell, OD", ylabel="cells", yscale="log", ylim=(0.5, None))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda cells, _: f"{cells:,.0f}"))
        axes.spines[["top", "right"]].set_visible(False)
        machine_od = self.trial.machine_od if self.trial else 0.0
        axes.axvline(machine_od, color="#8a929c", linewidth=1, linestyle=":")
        self._line = axes.axvline(machine_od, linewidth=1.5)
        self._layout.addWidget(self._canvas)
        self._in_colours_of_the_window()
        self._viewer.events.theme.connect(self._in_colours_of_the_window)

    def _in_colours_of_the_window(self, event: Any = None) -> None:
        """Paper and ink of the histogram are those of napari's theme."""
        del event
        theme = get_theme(self._viewer.theme)
        ink, paper = theme.text.as_hex(), theme.background.as_hex()
        axes = self._axes
        for patch in (axes, self._canvas.figure):
            patch.set_facecolor(paper)
        self._line.set_color(ink)
        axes.tick_params(colors=ink, which="both")
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_color(ink)
        for spine in axes.spines.values():
            spine.set_edgecolor(ink)
        self._canvas.draw_idle()  # type: ignore[no-untyped-call]

    def _add_slider(self) -> None:
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.valueChanged.connect(self._slid)
        self._layout.addWidget(self.slider)

    def _add_numbers(self) -> None:
        form = QFormLayout()
        self.values = {}
        for name in ("threshold", "of the run", "positive", "per cent of nuclei", "per mm²"):
            self.values[name] = QLabel("")
            form.addRow(f"{name}:", self.values[name])
        self._layout.addLayout(form)

    def _add_proposal(self) -> None:
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("Reason for another threshold")
        self.reason.textChanged.connect(self._allow)
        self.save_button = QPushButton("Save as proposal")
        self.save_button.clicked.connect(self._saved)
        back = QPushButton("Back to the run's")
        back.clicked.connect(self._back)
        line = QHBoxLayout()
        line.addWidget(back)
        if self._save is not None:
            self._layout.addWidget(self.reason)
            line.addWidget(self.save_button)
        self._layout.addLayout(line)
        self._allow()

    def _back(self) -> None:
        if self.trial is not None:
            self.set_threshold(self.trial.machine_od)

    def _slid(self, step: int) -> None:
        self._moved_to(step / STEPS * float(self._edges[-1]))

    def _moved_to(self, threshold_od: float) -> None:
        if self.trial is None:
            return
        numbers = self.trial.move(threshold_od)
        if self._tell is not None:
            self._tell(threshold_od)
        for layer in self._viewer.layers:
            if layer.name == "cells":
                layer.refresh(thumbnail=False, extent=False)
        self._show(numbers)
        self._allow()

    def _show(self, numbers: Numbers) -> None:
        assert self.trial is not None
        self._line.set_xdata([self.trial.threshold_od] * 2)
        for bar, left in zip(self._bars, self._edges[:-1], strict=True):
            over = left >= self.trial.threshold_od
            bar.set_facecolor([part / 255 for part in (POSITIVE if over else NEGATIVE)])
        self._canvas.draw_idle()  # type: ignore[no-untyped-call]
        self.values["threshold"].setText(f"{self.trial.threshold_od:.3f} OD")
        self.values["of the run"].setText(f"{self.trial.machine_od:.3f} OD")
        self.values["positive"].setText(f"{numbers.positive} of {numbers.nuclei}")
        percent = numbers.positive_percent
        self.values["per cent of nuclei"].setText("not measured" if percent is None else f"{percent:.1f}")
        told = "not measured"
        if numbers.per_mm2 is not None:
            told = f"{numbers.per_mm2:.0f}  ({numbers.per_mm2_low:.0f} to {numbers.per_mm2_high:.0f})"
        self.values["per mm²"].setText(told)

    def _allow(self) -> None:
        moved = self.trial is not None and abs(self.trial.threshold_od - self.trial.machine_od) > 1e-9
        self.save_button.setEnabled(bool(self.reason.text().strip()) and moved and self._save is not None)

    def _saved(self) -> None:
        if self.trial is not None and self._save is not None:
            self._save(self.trial.threshold_od, self.reason.text().strip())
            self.reason.clear()
