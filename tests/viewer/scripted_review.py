"""Review some fields through Qt events; print what was done; die without a word after a step if told so.

Run by ``test_review_window.py``: a window system that fails takes the process with it.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
from qtpy.QtCore import QPoint, Qt  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import QAbstractButton, QApplication, QLabel, QLineEdit, QWidget  # noqa: E402

from histoquant.review.session import open_session  # noqa: E402
from histoquant.viewer.review_panel import CLASS, DELETE, ReviewPanel  # noqa: E402
from histoquant.viewer.review_window import leave_process, review_viewer  # noqa: E402


def screen_point(viewer: Any, y_um: float, x_um: float) -> QPoint:
    """Where the canvas shows a place of the picture."""
    native = viewer.window._qt_viewer.canvas.native
    _, y0, x0 = viewer.camera.center if len(viewer.camera.center) == 3 else (0, *viewer.camera.center)
    zoom = viewer.camera.zoom
    return QPoint(
        round(native.width() / 2 + (x_um - x0) * zoom), round(native.height() / 2 + (y_um - y0) * zoom)
    )


def press(button: QWidget) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def click_cell(viewer: Any, panel: ReviewPanel, row: int) -> None:
    field = panel._field
    cell = field.cells.iloc[row]
    x_um, y_um = cell["x_um"] - field.origin_um[0], cell["y_um"] - field.origin_um[1]
    native = viewer.window._qt_viewer.canvas.native
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, pos=screen_point(viewer, y_um, x_um))
    QApplication.processEvents()


def drag_triangle(viewer: Any, panel: ReviewPanel) -> None:
    native = viewer.window._qt_viewer.canvas.native
    corners = [screen_point(viewer, y, x) for y, x in ((40, 40), (45, 90), (90, 70), (60, 45))]
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=corners[0])
    for corner in corners[1:]:
        QTest.mouseMove(native, corner)
        QApplication.processEvents()
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=corners[-1])
    QApplication.processEvents()


said = 0


def say(item: str, action: str, target: str = "") -> None:
    """Tell what was done, and die at once after as many steps as were asked for."""
    global said
    said += 1
    print(f"{item}\t{action}\t{target}", flush=True)
    if said == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)


def seen(viewer: Any) -> None:
    """Everything a reader could read."""
    words = [viewer.title, viewer.status if isinstance(viewer.status, str) else str(viewer.status)]
    for widget in QApplication.allWidgets():
        words += [widget.windowTitle(), widget.toolTip(), widget.objectName()]
        if isinstance(widget, QLabel | QAbstractButton | QLineEdit):
            words.append(widget.text())
    for layer in viewer.layers:
        words += [layer.name, str(layer.metadata), str(layer.source), str(getattr(layer, "features", ""))]
    for word in {word for word in words if word}:
        print("SEEN", word.replace("\n", " "), flush=True)


def main() -> None:
    root, slides = Path(sys.argv[1]), Path(sys.argv[2])
    log = open_session(root, "anna")
    viewer, _ = review_viewer(root, log, slides)
    viewer.window.resize(1400, 950)
    QApplication.processEvents()
    panel = next(widget for widget in QApplication.allWidgets() if isinstance(widget, ReviewPanel))
    for number in range(len(log.items)):
        viewer.reset_view()
        QApplication.processEvents()
        item = log.items[number].item
        if panel._field.scored and len(panel._field.cells) > 4:
            for tool, row in ((CLASS, 1), (DELETE, 3)):
                press(panel.tools[tool])
                click_cell(viewer, panel, row)
                say(
                    item, "class" if tool == CLASS else "delete", str(panel._field.cells["cell_id"].iloc[row])
                )
        press(panel.tools["exclude"])
        drag_triangle(viewer, panel)
        say(item, "region")
        panel.grades["fibrosis"].setFocus()
        QTest.keyClick(panel.grades["fibrosis"], Qt.Key.Key_Up)
        say(item, "score", "fibrosis")
        seen(viewer)
        press(panel.accept if number % 2 else panel.reject)
        say(item, "verdict")
    viewer.close()
    leave_process()


main()
