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
from napari.settings import get_settings  # noqa: E402
from qtpy.QtCore import QPoint, Qt  # noqa: E402
from qtpy.QtGui import QAction  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import (  # noqa: E402
    QAbstractItemView,
    QApplication,
    QComboBox,
    QStatusBar,
    QWidget,
)

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


def try_threshold(panel: ReviewPanel) -> None:
    """Move the slider by keys, say why, and save."""
    press(panel.threshold_button)
    chosen = panel.threshold.panel
    before = panel._field.classes.copy()
    for key in (Qt.Key.Key_Home, Qt.Key.Key_PageUp, Qt.Key.Key_PageUp):
        QTest.keyClick(chosen.slider, key)
    assert (panel._field.classes != before).any(), "the slider recolours the field"
    QTest.keyClicks(chosen.reason, "background")
    press(chosen.save_button)
    assert panel._desk.review.threshold_od is not None


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
    words = [viewer.title, str(viewer.status), str(viewer.help), str(viewer.tooltip), str(viewer.dims)]
    words += [QApplication.applicationDisplayName(), QApplication.clipboard().text()]
    for window in QApplication.allWindows():
        words += [window.title(), window.filePath(), window.objectName()]
    for widget in QApplication.allWidgets():
        words += of_widget(widget)
    for layer in viewer.layers:
        words += [layer.name, layer.metadata, layer.source, layer.help, layer.units, layer.axis_labels]
        words += [getattr(layer, name, "") for name in ("features", "properties", "text", "colormap")]
    told = get_settings()
    words += [*told.application.open_history, *told.application.save_history]
    words += [*map(str, (told.plugins.extension2reader, told.plugins.extension2writer))]
    for word in {str(word) for word in words if str(word)}:
        print("SEEN", word.replace("\n", " "), flush=True)


def of_widget(widget: QWidget) -> list[str]:
    """What one widget shows or would show under the cursor, its menus and lists too."""
    words = [widget.windowTitle(), widget.windowFilePath(), widget.toolTip(), widget.statusTip()]
    words += [
        widget.whatsThis(),
        widget.accessibleName(),
        widget.accessibleDescription(),
        widget.objectName(),
    ]
    for name in ("text", "title", "placeholderText", "toPlainText", "specialValueText", "currentText"):
        method = getattr(widget, name, None)
        if callable(method):
            words.append(str(method()))
    actions = [*widget.actions(), *widget.findChildren(QAction)]
    for action in actions:
        words += [action.text(), action.toolTip(), action.statusTip(), action.objectName()]
    if isinstance(widget, QComboBox):
        words += [widget.itemText(k) for k in range(widget.count())]
    if isinstance(widget, QStatusBar):
        words.append(widget.currentMessage())
    if isinstance(widget, QAbstractItemView) and widget.model() is not None:
        model = widget.model()
        words += [str(model.data(model.index(row, 0))) for row in range(model.rowCount())]
    return words


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
        if panel._field.scored and panel.threshold is None:
            try_threshold(panel)
            say(item, "threshold")
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
