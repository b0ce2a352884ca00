"""Quantify a visible field anew through Qt events; run by ``test_region_box.py``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
import napari  # noqa: E402
from qtpy.QtCore import Qt  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import QApplication, QWidget  # noqa: E402

from histoquant.viewer.layers import add_layers, centre_on  # noqa: E402
from histoquant.viewer.reader import results_layers  # noqa: E402
from histoquant.viewer.region_box import FIELD, PROPOSAL, visible_um  # noqa: E402
from histoquant.viewer.review_window import leave_process  # noqa: E402
from histoquant.viewer.threshold_panel import ThresholdPanel  # noqa: E402


def press(button: QWidget) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def say(step: str, viewer: Any, panel: ThresholdPanel) -> None:
    values = {f"{side} {name}": label.text() for (side, name), label in panel.region.values.items()}
    shown = [layer.name for layer in viewer.layers if layer.visible]
    told = [values[key] for key in ("stored nuclei", "stored positive", "new nuclei", "new positive")]
    print(step, *told, PROPOSAL in shown, "cells" in shown, FIELD in shown, sep="\t", flush=True)
    print("SAYS", panel.region.applied.text(), panel.region.trouble.text(), flush=True)


def main() -> None:
    root, slides = Path(sys.argv[1]), Path(sys.argv[2])
    viewer = napari.Viewer()
    viewer.window.resize(1400, 950)
    add_layers(viewer, results_layers(root, "P01_T1_V1_CD68", slides))
    panel = ThresholdPanel(viewer)
    viewer.window.add_dock_widget(panel, name="Threshold", area="right")
    QApplication.processEvents()
    press(panel.region.open_button)
    centre_on(viewer, 160.0, 160.0, 2.0)
    press(panel.region.run_button)
    say("far", viewer, panel)
    centre_on(viewer, 160.0, 160.0, 0.25)
    QApplication.processEvents()
    left, top, right, bottom = visible_um(viewer)
    print("VISIBLE", left, top, right, bottom, sep="\t")
    press(panel.region.run_button)
    say("same", viewer, panel)
    panel.region.fields["nucleus_min_um2"].setValue(35.0)
    panel.set_threshold(2 * panel.trial.machine_od)
    press(panel.region.run_button)
    say("other", viewer, panel)
    press(panel.region.swap_button)
    say("swapped", viewer, panel)
    press(panel.region.clear_button)
    say("cleared", viewer, panel)
    viewer.close()
    leave_process()


main()
