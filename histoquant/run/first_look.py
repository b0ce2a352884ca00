"""What is wrong at first sight, told before the libraries that do the work are loaded: that takes seconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from histoquant.errors import StoreError, UsageError

ORDER = Path(".work") / "order.json"
"""Where in an output folder a prepared run leaves the order of its work."""


def require_slides(paths: Iterable[Path]) -> None:
    """Refuse slides or folders that do not exist.

    Raises
    ------
    UsageError
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: not there. Name slides, or folders of slides.")


def require_files(option: str, paths: Iterable[Path | None]) -> None:
    """Refuse an option that names what does not exist; None stands for an option left out.

    Raises
    ------
    UsageError
    """
    for path in paths:
        if path is not None and not path.exists():
            raise UsageError(f"{option} {path}: not there. Check its name and place.")


def require_finished(out: Path) -> None:
    """Refuse a folder that no run has filled.

    Raises
    ------
    StoreError
    """
    if not ((out / "slides.parquet").is_file() and (out / "run.json").is_file()):
        raise StoreError(f"{out}: no finished run. Name a folder that `histoquant run ... -o` has finished.")


def require_prepared(out: Path) -> None:
    """Refuse a folder in which no run waits for workers.

    Raises
    ------
    StoreError
    """
    if not (out / ORDER).is_file():
        raise StoreError(
            f"{out}: no run is prepared there. Run `histoquant run SLIDES -o {out} --prepare` first."
        )


def require_blind_places(sources: Iterable[Path], folder: Path, key: Path) -> None:
    """Refuse places of blind folder and key that would unblind, or overwrite.

    Parameters
    ----------
    sources : iterable of Path
        Folders of the slides.
    folder : Path
        Where masked slides are to go.
    key : Path
        Where the key is to go.

    Raises
    ------
    UsageError
    """
    folder_real, key_real = folder.resolve(), key.resolve()
    if key_real.is_relative_to(folder_real):
        raise UsageError(
            f"--key {key}: lies in the blind folder, where every reader finds it. Name a place that only "
            "the statistician can open."
        )
    if key_real.exists():
        raise UsageError(f"--key {key}: is there already; a key is never overwritten. Name a new one.")
    if not key_real.parent.is_dir():
        raise UsageError(f"--key {key}: its folder is not there. Make it first.")
    if folder_real.exists() and (not folder_real.is_dir() or any(folder_real.iterdir())):
        raise UsageError(f"-o {folder}: is not empty. Name a new folder for the masked slides.")
    reals = [path.resolve() for path in sources]
    if any(folder_real.is_relative_to(real) or real.is_relative_to(folder_real) for real in reals):
        raise UsageError(f"-o {folder}: lies in the slide folder or around it. Name a folder apart.")
