"""The study in the report: every table shown, nothing said that was not measured, nothing fetched or run."""

from __future__ import annotations

import math
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pandas as pd
import pytest
from made_study import VISITS, Rows, made_tables, write_run, write_tables

from histoquant.errors import StoreError
from histoquant.report import encode_png
from histoquant.report.sizes import SHOWN_PX
from histoquant.report.study_report import write_study_report
from histoquant.study.layout import BLIND_TABLES

SVG = "{http://www.w3.org/2000/svg}"


class _Reader(HTMLParser):
    """Tags, ids and the words of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._in_style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words)).replace("\u00a0", " ")

    @property
    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.tags if "id" in attrs]


def _report(
    out: Path, tables: dict[str, Rows], slides: int = 9, **only: tuple[str, ...]
) -> tuple[str, _Reader]:
    write_run(out, slides)
    write_tables(out, tables, **only)
    page = write_study_report(out).read_text("utf-8")
    return page, _Reader(page)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, _Reader]:
    out = tmp_path_factory.mktemp("whole")
    page, reader = _report(out, made_tables(), 27)
    return out, page, reader


def test_every_part_of_a_trial_is_there(whole: tuple[Path, str, _Reader]) -> None:
    _, _, reader = whole
    wanted = [
        "short",
        "flow",
        "levels",
        "vascular-panel",
        "changes",
        "further",
        "missing",
        "response",
        "arms",
    ]
    wanted += ["agreement", "threshold", "exclusions"]
    assert [one for one in reader.ids if one in wanted] == wanted
    assert "methods" in reader.ids
    for said in (
        "CD68+ cells, month 4 against month 0: ×0.67 (0.59 to 0.76)",
        "23 patients",
        "−3 patients: withdrew 2; not recorded 1",
        "Research use only",
        "Association, not effect",
        "ln((N + 0.5) / A)",
        "a variance at zero",
        "clone PG-M1 at V1",
        "exact Wilcoxon p < 0.001",
    ):
        assert said in reader.text, said
    for never in ("macrophage", "effective", "efficacy", "caused by", "significant"):
        assert never not in reader.text.lower(), never
    assert not set(re.findall(r"[a-z]+", reader.text.lower())) & {"nan", "none", "null"}


def test_the_page_runs_nothing_and_fetches_nothing(whole: tuple[Path, str, _Reader]) -> None:
    _, page, reader = whole
    names = {tag for tag, _ in reader.tags}
    assert not names & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "form",
        "foreignobject",
        "use",
        "image",
    }
    for tag, attrs in reader.tags:
        assert not any(name.startswith("on") or name == "style" for name in attrs), tag
        if tag == "a":
            assert re.match(r"#|slides/|study/figures/[\w-]+\.(svg|csv)$", attrs["href"] or "")
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page)
    assert "url(" not in page
    assert len(re.findall(r"<style>", page)) == 1
    assert len(reader.ids) == len(set(reader.ids)), "an id twice: a label would name the wrong figure"


def test_links_and_labels_lead_somewhere(whole: tuple[Path, str, _Reader]) -> None:
    out, _, reader = whole
    for tag, attrs in reader.tags:
        href = attrs.get("href") or ""
        if href.startswith("#"):
            assert href[1:] in reader.ids
        elif href.startswith("study/"):
            assert (out / href).is_file()
        if tag == "svg":
            assert attrs["role"] == "img"
            assert all(name in reader.ids for name in (attrs["aria-labelledby"] or "").split())
        if tag == "div" and attrs.get("class") == "scroll":
            assert attrs["tabindex"] == "0", "a table wider than the screen must scroll by keyboard"


def test_figures_are_files_that_stand_alone(whole: tuple[Path, str, _Reader]) -> None:
    out = whole[0] / "study" / "figures"
    drawn = sorted(out.glob("*.svg"))
    assert len(drawn) == 21
    assert sorted(path.with_suffix(".svg") for path in out.glob("*.csv")) == drawn
    for path in drawn:
        root = ElementTree.fromstring(path.read_bytes())
        assert root.tag == f"{SVG}svg"
        assert root.find(f"{SVG}title").text  # type: ignore[union-attr]
        style = root.find(f"{SVG}style").text or ""  # type: ignore[union-attr]
        assert "var(" not in style
        classes = {name for item in root.iter() for name in item.get("class", "").split()}
        known = set(re.findall(r"\.([a-z][\w-]*)", style)) | {"t", "fig"}
        assert classes <= known, classes - known
        assert len(pd.read_csv(path.with_suffix(".csv")))


def test_marks_lie_where_their_values_say(whole: tuple[Path, str, _Reader]) -> None:
    """The forest's marks in order: equal estimates above each other, the smaller ratio further left."""
    root = ElementTree.fromstring((whole[0] / "study/figures/changes-ratio.svg").read_bytes())
    marks = [item.get("d", "") for item in root.iter(f"{SVG}path") if "mark" in item.get("class", "")]
    x = [float(re.match(r"M([\d.]+)", d).group(1)) for d in marks]  # type: ignore[union-attr]
    assert len(x) == 6
    month_2, month_4 = x[0], x[1]
    assert month_4 < month_2
    assert x[2::2] == [month_2] * 2
    texts = [item for item in root.iter(f"{SVG}text") if item.get("text-anchor") == "middle"]
    place = {item.text: float(item.get("x", "0")) for item in texts}

    def at(ratio: float) -> float:
        """Where a ratio lies on the logarithmic axis, told by its ticks 0.6 and 1."""
        return place["0.6"] + (place["1"] - place["0.6"]) * math.log(ratio / 0.6) / math.log(1 / 0.6)

    # a square begins at its left edge; the primary one is larger
    assert month_2 + 0.9 * 4.5 == pytest.approx(at(math.exp(-0.2)), abs=0.2)
    assert month_4 + 0.9 * 5.5 == pytest.approx(at(math.exp(-0.4)), abs=0.2)


def test_axes_of_differences_name_their_unit(whole: tuple[Path, str, _Reader]) -> None:
    figures = whole[0] / "study" / "figures"
    said = {path.stem: path.read_text("utf-8") for path in figures.glob("*.svg")}
    assert "mean difference, points" in said["missing-inflammation_score"]
    assert "points, month 4 minus baseline" in said["response-inflammation_score"]
    assert "ratio, month 4 over baseline" in said["response-cd68_per_mm2"]
    assert "difference between arms, points" in said["arms-difference"]


def test_no_outcome_file_no_outcome_section(tmp_path: Path) -> None:
    page, reader = _report(tmp_path, made_tables(), names=tuple(BLIND_TABLES))
    assert not set(reader.ids) & {"response", "arms", "agreement"}
    assert "response" not in page.replace("standardised response", "").replace("response mean", "").lower()


@pytest.mark.parametrize(
    "names", [("flow",), ("measures", "notes"), ("changes",), ("agreement",), tuple(BLIND_TABLES)]
)
def test_any_tables_without_a_row_make_a_page(tmp_path: Path, names: tuple[str, ...]) -> None:
    empty: dict[str, Rows] = {name: [] for name in made_tables(0)}
    _, reader = _report(tmp_path, empty, 0, names=names)
    assert "No change from baseline can be told" in reader.text
    assert not set(re.findall(r"[a-z]+", reader.text.lower())) & {"nan", "none"}


def test_one_patient_says_why_there_are_no_intervals(tmp_path: Path) -> None:
    tables = made_tables(1)
    for row in tables["changes"]:
        for name in [n for n in row if n.startswith(("hl", "mean", "srm", "wilcoxon", "t_p", "p_"))]:
            row[name] = None
        row["reason"] = "FEW_PATIENTS (1 patient; a signed-rank test needs 2)"
    for row in tables["timepoints"]:
        row |= {"median_low": None, "median_high": None}
    _, reader = _report(tmp_path, tables)
    assert (
        "month 4 against month 0: no estimate few patients (1 patient; a signed-rank test needs 2)"
        in reader.text
    )
    assert "too few patients for an interval" in reader.text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    tables = made_tables(3)
    bad = '"><script>alert(1)</script>\x01&{{ 7*7 }}'
    for name in ("measures", "response_points", "agreement_pairs", "notes", "flow"):
        for row in tables[name]:
            row |= {
                key: bad for key in ("patient", "tract", "says", "where", "reasons", "rater_a") if key in row
            }
    for row in tables["measures"] + tables["timepoints"] + tables["changes"] + tables["flow"]:
        if row.get("timepoint") == "V2":
            row |= {"timepoint": bad, "month": None}
    _, reader = _report(tmp_path, tables)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert "{{ 7*7 }}" in reader.text
    for path in (tmp_path / "study" / "figures").glob("*.svg"):
        ElementTree.fromstring(path.read_bytes())


def test_zero_counts_have_a_place_on_the_log_axis(tmp_path: Path) -> None:
    tables = made_tables(4)
    for row in tables["measures"]:
        if row["measure"] == "cd68_per_mm2" and row["patient"] == "P01":
            row |= {"value": 0.0, "analysed": -2.0, "evaluable": True}
    _report(tmp_path, tables)
    root = ElementTree.fromstring((tmp_path / "study/figures/levels-cd68_per_mm2.svg").read_bytes())
    dots = [float(i.get("cy", "0")) for i in root.iter(f"{SVG}circle") if i.get("class") == "thread-dot"]
    assert len(dots) >= len(VISITS)
    assert max(dots) < 300 - 66, "above the axis, not on or below it"


def test_same_tables_same_bytes_and_old_figures_go(tmp_path: Path) -> None:
    first, _ = _report(tmp_path, made_tables(5))
    figures = {path.name: path.read_bytes() for path in (tmp_path / "study" / "figures").iterdir()}
    second, _ = _report(tmp_path, made_tables(5))
    assert first == second
    assert figures == {path.name: path.read_bytes() for path in (tmp_path / "study" / "figures").iterdir()}
    for name in ("response", "response_points", "response_groups", "arms"):
        (tmp_path / "study" / f"{name}.csv").unlink()
    write_study_report(tmp_path)
    assert not list((tmp_path / "study" / "figures").glob("response*"))


def test_without_a_study_there_is_no_page(tmp_path: Path) -> None:
    write_run(tmp_path, 3)
    with pytest.raises(StoreError, match="histoquant study"):
        write_study_report(tmp_path)


def _with_pictures(out: Path, slides: int) -> None:
    """A run whose every slide has pictures as large as real ones: 12 Mpx overlays."""
    write_run(out, slides)
    write_tables(out, made_tables())
    rng = np.random.default_rng(0)
    sizes = {"overlay": (3000, 4000), "thumbnail": (900, 1200), "density": (600, 800), "fields": (1000, 1600)}
    small = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
    files = {}
    for name, (height, width) in sizes.items():
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        files[name] = encode_png(picture, SHOWN_PX[f"{name}.png"])
    for number in range(slides):
        folder = out / "slides" / f"S{number:03d}"
        folder.mkdir(parents=True)
        for name, data in files.items():
            (folder / f"{name}.png").write_bytes(data)


def _slowness() -> float:
    """By how much a million additions take longer than 0.06 s: one machine took 0.04 to 0.19 within hours."""
    begun_s, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number
    return max(1.0, (time.process_time() - begun_s) / 0.06)


@pytest.mark.parametrize(
    ("slides", "limit_s"), [(10, 8.0), pytest.param(200, 20.0, marks=pytest.mark.full)], ids=["10", "200"]
)
def test_a_report_takes_seconds_and_can_be_mailed(tmp_path: Path, slides: int, limit_s: float) -> None:
    """Seconds of processor time, on all threads together, more where others slow the machine."""
    _with_pictures(tmp_path, slides)
    before, begun_s = _slowness(), time.process_time()
    page = write_study_report(tmp_path)
    took_s = time.process_time() - begun_s
    assert took_s < limit_s * max(before, _slowness())
    assert page.stat().st_size < 40_000_000
    assert page.read_text("utf-8").count('alt="Overlay of') == slides
