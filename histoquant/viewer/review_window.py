"""The review in a window of its own that names no slide, patient or time."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from histoquant.errors import UsageError
from histoquant.review.desk import Desk
from histoquant.review.log_file import ReviewLog
from histoquant.review.session import QueueRules, open_session, write_reviewed

TITLE = "histoquant review"


def review(root: Path, reader: str, rules: QueueRules, slides: Path | None = None) -> None:
    """Open the queue of a reader and return when the window is closed.

    Parameters
    ----------
    root : Path
        Results folder of a finished run.
    reader : str
    rules : QueueRules
        For a new queue.
    slides : Path, optional
        Where the slides are.

    Raises
    ------
    UsageError
        If napari or its window system is not there.
    """
    try:
        import napari
    except ImportError:
        raise UsageError("histoquant review needs napari: pip install 'histoquant[napari]'") from None
    with open_session(root, reader, rules) as log:
        _, source = review_viewer(root, log, slides)
        napari.run()
        source.close()
    write_reviewed(root)


def leave_process() -> NoReturn:
    """End the process at once, with status 0, when the window is closed and all is on disk.

    Taking a long session's widgets down with the interpreter aborts in the bindings of Qt (PySide6 6.12 on
    Python 3.11 gives back None more often than it took it), which would look like a failed review.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def review_viewer(root: Path, log: ReviewLog, slides: Path | None = None) -> tuple[Any, Any]:
    """Viewer with the panel, and the source of its fields to be closed after it."""
    import napari

    from histoquant.viewer.layers import show_scale_bar
    from histoquant.viewer.review_field import FieldSource
    from histoquant.viewer.review_panel import ReviewPanel

    source = FieldSource(root, slides)
    viewer = napari.Viewer(title=TITLE)
    viewer.theme = "light"
    show_scale_bar(viewer)
    window = viewer.window._qt_viewer
    # layers are switched by keys; napari's own editing tools would change pictures that follow from the log
    window.dockLayerControls.setVisible(False)
    panel = ReviewPanel(viewer, Desk(log), source)
    viewer.window.add_dock_widget(panel, name="Review", area="right")
    return viewer, source
