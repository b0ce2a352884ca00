"""The frozen reference of the inflammation index: whose biopsies a score is measured against."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from histoquant._version import __version__
from histoquant.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd

COMPONENTS = ("cd68", "cd20_diffuse", "cd20_aggregates")
COMPONENT_MARKER = {"cd68": "cd68", "cd20_diffuse": "cd20", "cd20_aggregates": "cd20"}
# Below 10 biopsies P5 and P95 are the extremes themselves; from 30 on a rank moves by at most 3.3 points.
MIN_REFERENCE, MIN_PERCENTILE_REFERENCE = 10, 30
_ANCHORS_PERCENT = (5.0, 95.0)


def component_values(biopsies: pd.DataFrame) -> pd.DataFrame:
    """Transform biopsies into the three components of the index.

    Parameters
    ----------
    biopsies : DataFrame
        From `histoquant.study.biopsies`.

    Returns
    -------
    DataFrame
        Same index; columns `COMPONENTS`, float64: ``ln((N + 0.5) / A)`` of CD68 and of CD20 outside
        aggregates, and the square root of the aggregates' area share. NaN where the marker's status is not OK
        or the value is missing.
    """
    import pandas as pd  # a study file names its reference before there is any table

    def of(name: str) -> NDArray[np.float64]:
        return pd.to_numeric(biopsies[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)

    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "cd68": np.log((of("cd68_positive") + 0.5) / of("cd68_tissue_mm2")),
            "cd20_diffuse": np.log((of("cd20_diffuse_positive") + 0.5) / of("cd20_diffuse_mm2")),
            "cd20_aggregates": np.sqrt(of("cd20_aggregate_area_percent") / 100),
        }
    table = pd.DataFrame(values, index=biopsies.index)
    for name, marker in COMPONENT_MARKER.items():
        usable = biopsies[f"{marker}_status"].fillna("").astype(str).str.startswith("OK").to_numpy(bool)
        table[name] = table[name].where(usable & np.isfinite(table[name].to_numpy()))
    return table


def mid_rank(ordered: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of ``ordered`` below each value, ties by half: ``(#{r<x} + 0.5 #{r=x}) / n``."""
    below = np.searchsorted(ordered, values, side="left")
    through = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + through) / 2 / ordered.size, np.float64)


class Reference(BaseModel):
    """Component values of the biopsies that define 0 to 100, with what they were measured with.

    A reference is made once, from baseline biopsies, before any follow-up slide is opened; by construction
    baseline then averages about 50. It is never remade from the biopsies it scores.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    id: str = Field(
        min_length=1, max_length=64, description="Name of the reference, shown beside every score."
    )
    n: int = Field(ge=1, description="Biopsies in it, each with all three components.")
    clones: dict[str, str] = Field(description="Antibody clone by marker; empty when not recorded.")
    scanner: str | None = Field(description="Scanner, or null when not recorded.")
    working_mpp_um: float | None = Field(gt=0, description="Resolution of analysis in um/px, or null.")
    pipeline_version: str = Field(description="Version of histoquant that measured it.")
    baseline: str = Field(description="Timepoint the biopsies were taken at.")
    components: dict[str, Annotated[tuple[float, ...], Field(strict=False)]] = Field(
        description="Sorted values by component."
    )

    @model_validator(mode="after")
    def _whole(self) -> Reference:
        if set(self.components) != set(COMPONENTS):
            raise ValueError(f"components must be {', '.join(COMPONENTS)}")
        for name, values in self.components.items():
            if len(values) != self.n or list(values) != sorted(values):
                raise ValueError(f"component {name} must hold n = {self.n} sorted values")
        return self

    @property
    def method(self) -> str | None:
        """``percentile`` from 30 biopsies, ``anchored`` from 10, None below."""
        if self.n < MIN_REFERENCE:
            return None
        return "percentile" if self.n >= MIN_PERCENTILE_REFERENCE else "anchored"

    @property
    def sha256(self) -> str:
        """SHA-256 of the content as canonical JSON."""
        return _digest(self.model_dump(mode="json"))

    @property
    def unusable(self) -> str | None:
        """Reason code why nothing can be scored against this reference, or None."""
        if self.method is None:
            return f"REFERENCE_TOO_SMALL (n={self.n} < {MIN_REFERENCE})"
        flat = [name for name in COMPONENTS if np.ptp(self._anchors(name)) <= 0]
        if self.method == "anchored" and flat:
            return f"DEGENERATE_REFERENCE ({', '.join(flat)}: P5 equals P95)"
        return None

    def _anchors(self, component: str) -> NDArray[np.float64]:
        values = np.array(self.components[component], np.float64)
        return np.asarray(np.percentile(values, _ANCHORS_PERCENT), np.float64)

    def position(self, component: str, value: float) -> tuple[float, bool]:
        """Place a component's value on the reference.

        Parameters
        ----------
        component : str
            One of `COMPONENTS`.
        value : float
            Transformed value; NaN stays NaN.

        Returns
        -------
        share : float
            0 to 1. ``percentile``: mid-rank clipped to ``[0.5/n, 1 - 0.5/n]``. ``anchored``:
            ``clip((x - P5) / (P95 - P5), 0, 1)``.
        saturated : bool
            Whether the share lies at its clip, so that a further change of the value would not show.

        Raises
        ------
        StudyError
            If the reference is `unusable`.
        """
        if self.unusable is not None:
            raise StudyError(f"reference {self.id}: {self.unusable}. Make one from more baseline biopsies.")
        if np.isnan(value):
            return float("nan"), False
        low, high = (0.5 / self.n, 1 - 0.5 / self.n) if self.method == "percentile" else (0.0, 1.0)
        share = float(self._shares(component, np.array([value]))[0])
        return min(max(share, low), high), not low < share < high

    def positions(self, component: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place many values at once: the shares of `position`, clipped as there."""
        low, high = (0.5 / self.n, 1 - 0.5 / self.n) if self.method == "percentile" else (0.0, 1.0)
        return np.clip(self._shares(component, values), low, high)

    def _shares(self, component: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.method == "percentile":
            return mid_rank(np.array(self.components[component]), values)
        first, last = self._anchors(component)
        return np.asarray((values - first) / (last - first), np.float64)

    @classmethod
    def from_biopsies(
        cls,
        biopsies: pd.DataFrame,
        baseline: str,
        *,
        id: str | None = None,
        scanner: str | None = None,
        working_mpp_um: float | None = None,
    ) -> Reference:
        """Freeze the baseline biopsies of a table.

        Parameters
        ----------
        biopsies : DataFrame
            From `histoquant.study.biopsies`. Rows of other timepoints, and rows without all three components,
            are left out.
        baseline : str
            Label of the baseline timepoint.
        id : str, optional
            Default: ``ref-`` and twelve digits of the content's checksum.
        scanner : str, optional
        working_mpp_um : float, optional

        Returns
        -------
        Reference

        Raises
        ------
        StudyError
            If no baseline biopsy has all components, or clones are mixed.
        """
        rows = biopsies[biopsies["timepoint"] == baseline]
        values = component_values(rows).dropna()
        if values.empty:
            raise StudyError(
                f"reference: no biopsy at {baseline!r} has CD68 and CD20 with enough tissue "
                f"({len(rows)} rows at that timepoint). Quantify the baseline slides first."
            )
        content: dict[str, Any] = {
            "id": id or "",
            "n": len(values),
            "clones": _clones(rows.loc[values.index]),
            "scanner": scanner,
            "working_mpp_um": working_mpp_um,
            "pipeline_version": __version__,
            "baseline": baseline,
            "components": {name: sorted(values[name].tolist()) for name in COMPONENTS},
        }
        return cls.model_validate(content | {"id": id or f"ref-{_digest(content)[:12]}"})

    def save(self, path: Path | str) -> None:
        """Write the reference with its checksum.

        Raises
        ------
        StudyError
            If the file exists: a frozen reference is never overwritten.
        """
        body = {**self.model_dump(mode="json"), "sha256": self.sha256}
        try:
            with Path(path).open("x", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n")
        except FileExistsError:
            raise StudyError(
                f"{path}: a frozen reference is never overwritten. Choose a new name for this one."
            ) from None

    @classmethod
    def load(cls, path: Path | str) -> Reference:
        """Read a reference and prove that it is unchanged.

        Raises
        ------
        StudyError
            If it cannot be read, is not a reference, or does not match its checksum.
        """
        name = Path(path).name
        try:
            body = json.loads(Path(path).read_text(encoding="utf-8"))
            digest = body.pop("sha256")
        except OSError as error:
            raise StudyError(
                f"{name}: cannot be read ({error.strerror}). Check [inflammation] reference."
            ) from None
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            raise StudyError(
                f"{name}: not a reference file. Make one with Reference.from_biopsies."
            ) from None
        if not isinstance(body, dict) or digest != _digest(body):
            raise StudyError(
                f"{name}: changed since it was frozen (its checksum does not fit). Restore the original; "
                "scores against an edited reference cannot be compared."
            )
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"]) or "content"
            raise StudyError(f"{name}: {place}: {fault['msg']}. Make the reference anew.") from None


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _clones(rows: pd.DataFrame) -> dict[str, str]:
    clones: dict[str, str] = {}
    for marker in ("cd68", "cd20"):
        named = sorted(rows[f"{marker}_clone"].dropna().astype(str).unique())
        if len(named) > 1:
            raise StudyError(
                f"reference: baseline {marker.upper()} was stained with several clones ({', '.join(named)}). "
                "Freeze one reference per clone."
            )
        if named:
            clones[marker] = named[0]
    return clones
