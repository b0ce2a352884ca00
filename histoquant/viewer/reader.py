"""What napari opens through histoquant: slides, a results folder, one slide's results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from histoquant.errors import HistoquantError, StoreError
from histoquant.slides import SLIDE_SUFFIXES, open_slide
from histoquant.store.results import load_results
from histoquant.viewer.layers import dress, find_slide, slide_layer
from histoquant.viewer.slide_overlay import Layer, load_overlay

Reader = Callable[[Any], list[Layer]]


def get_reader(path: str | list[str]) -> Reader | None:
    """Reader for a path, or None where it is nothing of ours.

    Parameters
    ----------
    path : str or list of str
        A slide, a results folder (its first slide that was quantified), or ``OUT/slides/<slide_id>``.
    """
    first = Path(path[0] if isinstance(path, list) else path)
    if results_of(first) is not None:
        return read_results
    if first.is_dir() or not first.name.lower().endswith(tuple(SLIDE_SUFFIXES)):
        return None
    return read_slide


def results_of(path: Path) -> tuple[Path, str | None] | None:
    """Results folder and slide that a path names, or None."""
    if (path / "slides.csv").is_file() and (path / "slides").is_dir():
        return path, None
    root = path.parent.parent
    if (path / "plan.json").is_file() and (root / "slides.csv").is_file():
        return root, path.name
    return None


def read_slide(path: str | list[str]) -> list[Layer]:
    """Layers of slides, one above the other."""
    paths = path if isinstance(path, list) else [path]
    layers = []
    for each in paths:
        slide = open_slide(Path(each))
        layers.append(slide_layer(slide, slide.name))
    return layers


def read_results(path: str | list[str]) -> list[Layer]:
    """Layers of one slide's results, above the slide itself where it is found beside the results."""
    named = Path(path[0] if isinstance(path, list) else path)
    found = results_of(named)
    if found is None:
        raise StoreError(
            f"{named}: no results here. Name a folder that `histoquant run ... -o` has finished."
        )
    root, slide_id = found
    table = load_results(root).slides
    if slide_id is None:
        done = table.loc[table["status"].str.startswith("OK"), "slide_id"]
        if done.empty:
            raise StoreError(f"{root}: no slide was quantified, so there is nothing to show.")
        slide_id = str(done.iloc[0])
    return results_layers(root, slide_id, None)


def results_layers(root: Path, slide_id: str, folder: Path | None) -> list[Layer]:
    """The slide, where it is found, and what was counted on it.

    Parameters
    ----------
    root : Path
    slide_id : str
    folder : Path, optional
        Where the slides are.
    """
    overlay = load_overlay(root, slide_id)
    path = find_slide(root, str(overlay.row["file"]), folder)
    overlay = replace(overlay, slide_file=path)
    layers = overlay.layers()
    _dress_when_added()
    for _, told, _ in layers:
        told["metadata"] = {**told.get("metadata", {}), "histoquant": overlay}
    if path is None:
        return layers
    try:
        slide = open_slide(path, mpp=float(overlay.row["mpp"]))
    except HistoquantError:  # the overlay is worth seeing without it
        return layers
    return [slide_layer(slide), *layers]


def _dress_when_added() -> None:
    """Napari's constructors cannot lock a layer: it is done as the layers come into the viewer."""
    import napari

    viewer = napari.current_viewer()
    if viewer is not None:
        viewer.layers.events.inserted.connect(_dress_new)


def _dress_new(event: Any) -> None:
    if "histoquant" in event.value.metadata:
        dress(event.value)
