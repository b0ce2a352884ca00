"""``study.toml``: what a study is called, its timepoints, its run options and its inflammation index."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from histoquant.study.design_trial import AnalysisSection, TablesSection
from histoquant.study.patterns import check_pattern
from histoquant.study.rules import ID_RULE, UNBLINDING_CURE, did_you_mean, is_id, is_unblinding

_FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class StudySection(BaseModel):
    """``[study]``."""

    model_config = _FROZEN

    name: str = Field(
        default="study",
        min_length=1,
        max_length=200,
        description="Title on reports. Default 'study': a name is for people, nothing depends on it.",
    )


class SlidesSection(BaseModel):
    """``[slides]``: how slides are told apart."""

    model_config = _FROZEN

    table: str | None = Field(
        default=None,
        description="CSV file with one row per slide, relative to the study folder. "
        "Default none: names are read instead.",
    )
    pattern: str | None = Field(
        default=None,
        description="File name without its ending, fields in braces. Default none, which means "
        "'{patient}_{tract}_{timepoint}_{marker}' on names that end in a known marker.",
    )

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_pattern(pattern)
        return pattern


class Timepoint(BaseModel):
    """One ``[[timepoints]]`` entry: a planned biopsy."""

    model_config = _FROZEN

    label: str = Field(description="Text as in the slide table or file names, for example 'M2'. No default.")
    month: float = Field(
        ge=-120,
        le=600,
        description="Months from the first dose; orders the timepoints. No default: a label has no time.",
    )
    doses_before: int | None = Field(
        default=None,
        ge=0,
        description="Doses given before this biopsy was taken (one taken just before dose 3 has seen 2). "
        "Default none: not recorded.",
    )

    @field_validator("label")
    @classmethod
    def _is_id(cls, label: str) -> str:
        if not is_id(label):
            raise ValueError(f"{label!r} is not a label; use {ID_RULE}")
        return label


class RunSection(BaseModel):
    """``[run]``: the options of ``histoquant run`` under the same names; the command line wins.

    Every default is None, which means: take the command's own default.
    """

    model_config = _FROZEN

    marker: str | None = Field(default=None, description="Marker of slides that do not say theirs.")
    mpp: float | None = Field(default=None, gt=0, description="um/px of files that do not say.")
    workers: int | None = Field(
        default=None, ge=0, description="Worker processes; 0 works in the calling process."
    )
    scheduler: str | None = Field(default=None, description="Dask scheduler address, tls://host:port.")
    tile_size: int | None = Field(
        default=None,
        gt=0,
        alias="tile-size",
        description="Tile edge in working-plane px; never changes results.",
    )
    working_mpp: float | None = Field(
        default=None, gt=0, alias="working-mpp", description="Resolution of analysis in um/px."
    )
    calibration: str | None = Field(
        default=None, description="Calibration file below the study folder, from `histoquant calibrate`."
    )
    unread_limit: float | None = Field(
        default=None,
        ge=0,
        le=10,
        alias="unread-limit",
        description="Percent of a slide's tissue that may be undecodable.",
    )
    cross_check: int | None = Field(
        default=None,
        ge=0,
        alias="cross-check",
        description="Tiles of each slide to read by a second reader too.",
    )
    segmenter: str | None = Field(
        default=None,
        description="Plug-in that finds nuclei, name or name:weights; by default the library's own search.",
    )
    worker_memory: int | None = Field(
        default=None,
        ge=0,
        alias="worker-memory",
        description="MB of memory at which a worker process is stopped; 0 for no limit.",
    )
    task_limit: float | None = Field(
        default=None,
        ge=0,
        alias="task-limit",
        description="Seconds after which a task is stopped; 0 for no limit.",
    )
    json_progress: bool | None = Field(
        default=None, alias="json-progress", description="Progress as JSON lines on standard output."
    )
    set: dict[str, str | bool | int | float] = Field(
        default_factory=dict, description="Marker settings to change, name = value. Default none: as defined."
    )

    @field_validator("set", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        flat = _flatten(value)
        for name, setting in flat.items():
            if not isinstance(setting, str | bool | int | float):
                raise ValueError(
                    f"{name} is a {type(setting).__name__}; give it one number, text, true or false"
                )
        return flat


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested keys with dots: TOML reads ``a.b = 1`` as a table in a table."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


class MarkerEntry(BaseModel):
    """One ``[[markers]]`` entry: a marker that stains like a known one."""

    model_config = _FROZEN

    name: str = Field(
        min_length=1,
        max_length=32,
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="Name in the slide table or in file names, for example CD163. No default.",
    )
    like: str = Field(
        description="Known marker whose rule and settings it takes, for example CD68. No default."
    )
    set: dict[str, str | bool | int | float] = Field(
        default_factory=dict, description="Settings that differ, name = value. Default none."
    )


_Weight = Annotated[float, Field(ge=0, le=1000)]


class Weights(BaseModel):
    """``[inflammation] weights``: share of each component; only their ratio counts.

    The defaults give macrophages and B cells one half each. They are a convention, not a finding.
    """

    model_config = _FROZEN

    cd68: _Weight = Field(default=0.5, description="ln CD68+ density. Default 0.5: half for macrophages.")
    cd20_diffuse: _Weight = Field(
        default=0.25,
        description="ln CD20+ density outside aggregates. Default 0.25: half of the B-cell half.",
    )
    cd20_aggregates: _Weight = Field(
        default=0.25, description="Root of the aggregates' area share. Default 0.25: half of the B-cell half."
    )

    @model_validator(mode="after")
    def _some(self) -> Weights:
        if self.cd68 + self.cd20_diffuse + self.cd20_aggregates <= 0:
            raise ValueError("the weights add up to 0; give at least one component a weight")
        return self


class InflammationSection(BaseModel):
    """``[inflammation]``: how the inflammation index is formed."""

    model_config = _FROZEN

    weights: Weights = Field(
        default_factory=Weights, description="Component weights; default half CD68, half CD20."
    )
    reference: str | None = Field(
        default=None,
        description="Frozen reference (JSON) below the study folder. Default none, then no score: "
        "a scale made from the run's own biopsies would move with every new slide.",
    )
    partial: Literal["forbid", "renormalise"] = Field(
        default="forbid",
        description="When a marker is missing: no score, or a score of the rest under a name of its own. "
        "Default 'forbid': scores of different markers cannot be compared.",
    )


class BlindingSection(BaseModel):
    """``[blinding]``: written by ``histoquant blind`` into the blind folder; ties a run to one key.

    Neither digest tells anything of the key: it holds 256 bits of chance.
    """

    model_config = _FROZEN

    key_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the key file. No default.")
    protocol_sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="Digest of the parameters frozen at blinding. No default."
    )


class StudyDesign(BaseModel):
    """All of ``study.toml``."""

    model_config = _FROZEN

    study: StudySection = Field(default_factory=StudySection, description="Name of the study.")
    slides: SlidesSection = Field(default_factory=SlidesSection, description="How slides are told apart.")
    timepoints: tuple[Timepoint, ...] = Field(
        default=(), strict=False, description="Planned biopsies. Default none: labels are taken as they come."
    )
    markers: tuple[MarkerEntry, ...] = Field(
        default=(), strict=False, description="Markers beside the built-in ones. Default none."
    )
    run: RunSection = Field(default_factory=RunSection, description="Options of `histoquant run`.")
    inflammation: InflammationSection = Field(
        default_factory=InflammationSection, description="The inflammation index."
    )
    blinding: BlindingSection | None = Field(
        default=None, description="What ties a blind folder to its key. Default none: slides are not blinded."
    )
    tables: TablesSection = Field(
        default_factory=TablesSection, description="Patients, tracts and missing biopsies."
    )
    analysis: AnalysisSection = Field(
        default_factory=AnalysisSection, description="What `histoquant study` compares."
    )

    @field_validator("timepoints")
    @classmethod
    def _consistent(cls, timepoints: tuple[Timepoint, ...]) -> tuple[Timepoint, ...]:
        ordered = sorted(timepoints, key=lambda point: point.month)
        if len({point.label.casefold() for point in ordered}) < len(ordered):
            raise ValueError("two timepoints have the same label; give each its own")
        if len({point.month for point in ordered}) < len(ordered):
            raise ValueError("two timepoints have the same month; one biopsy round is one timepoint")
        doses = [point.doses_before for point in ordered if point.doses_before is not None]
        if doses != sorted(doses):
            raise ValueError("doses_before falls as the months rise; check month and doses_before")
        return timepoints


_SECTIONS: dict[tuple[str, ...], type[BaseModel]] = {
    (): StudyDesign,
    ("study",): StudySection,
    ("slides",): SlidesSection,
    ("timepoints",): Timepoint,
    ("markers",): MarkerEntry,
    ("run",): RunSection,
    ("inflammation",): InflammationSection,
    ("inflammation", "weights"): Weights,
    ("blinding",): BlindingSection,
    ("tables",): TablesSection,
    ("analysis",): AnalysisSection,
}


def explain(error: ValidationError) -> str:
    """Say in plain words what is wrong in a study file.

    Parameters
    ----------
    error : ValidationError
        From validating a `StudyDesign`.

    Returns
    -------
    str
        One sentence per fault: section, key, fault and, for an unknown key, the nearest known one.
    """
    return " ".join(
        _explain_one(fault["loc"], fault["type"], fault["msg"], fault["input"]) for fault in error.errors()
    )


def _explain_one(location: tuple[int | str, ...], kind: str, message: str, said: object) -> str:
    names = tuple(str(part) for part in location if isinstance(part, str))
    entry = "".join(f" entry {part + 1}" for part in location if isinstance(part, int))
    section, key = (names[:-1], names[-1]) if names else ((), "")
    where = f"[{'.'.join(section)}]{entry} {key}:" if section else f"{key}{entry}:"
    if kind in ("float_type", "float_parsing"):
        return f"{where} {str(said)!r} is no number. Write it without quotes and with a point, like 2 or 2.5."
    if kind != "extra_forbidden":
        return f"{where} {message.removeprefix('Value error, ')}."
    if is_unblinding(key):
        return f"{where} unknown key. {UNBLINDING_CURE}."
    model = _SECTIONS[section]
    known = [field.alias or name for name, field in model.model_fields.items()]
    return f"{where} unknown key.{did_you_mean(key, known)} Known: {', '.join(known)}."
