"""Slides and overlays put into a napari viewer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from histoquant.slides import Slide
from histoquant.viewer.slide_levels import slide_levels
from histoquant.viewer.slide_overlay import Layer, placed


def slide_layer(slide: Slide, name: str = "slide") -> Layer:
    """The slide as one lazy multiscale image in micrometres.

    Parameters
    ----------
    slide : Slide
        Open; stays open as long as the layer lives.
    name : str
        Shown in the list of layers.
    """
    mpp_x, mpp_y = slide.mpp_xy
    told = {
        "name": name,
        "rgb": True,
        "multiscale": True,
        "interpolation2d": "linear",
        "contrast_limits": (0, 255),
        **placed((mpp_y, mpp_x)),
    }
    return slide_levels(slide), told, "image"


def add_layers(viewer: Any, layers: Iterable[Layer]) -> list[Any]:
    """Add layers in their order; none is editable by napari's own tools."""
    added = []
    for data, told, kind in layers:
        layer = getattr(viewer, f"add_{kind}")(data, **told)
        dress(layer)
        added.append(layer)
    return added


def dress(layer: Any) -> None:
    """Set what napari's constructors do not take."""
    # a brush stroke on a computed picture would be lost, or fail
    layer.editable = False


def find_slide(root: Path, file: str, folder: Path | None) -> Path | None:
    """The slide a row of ``slides.csv`` was counted on, or None.

    Parameters
    ----------
    root : Path
        Results folder.
    file : str
        Its ``file`` column.
    folder : Path, optional
        Where the slides are; default: beside the results, in any folder there.
    """
    name = Path(file).name
    if folder is not None:
        return next((path for path in (folder / file, folder / name) if path.exists()), None) or next(
            (path for path in sorted(folder.rglob(name))), None
        )
    beside = root.resolve().parent
    places = [beside / file, beside / name, *sorted(beside.glob(f"*/{name}"))]
    return next((path for path in places if path.exists()), None)


def show_scale_bar(viewer: Any) -> None:
    """Show napari's scale bar, which has moved in version 0.9."""
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", viewer)
    overlays.scale_bar.visible = True


def centre_on(viewer: Any, x_um: float, y_um: float, um_per_screen_px: float) -> None:
    """Show a place at a zoom."""
    viewer.camera.center = (0.0, y_um, x_um)
    viewer.camera.zoom = 1.0 / um_per_screen_px
