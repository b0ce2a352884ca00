from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from histoquant.report import encode_png, write_report
from histoquant.report.numbers import interval_text, number_text
from histoquant.report.reasons import explain

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "'><svg/onload=alert(1)>",
    "</style><script>alert(1)</script>",
    "{{ 7*7 }}",
    "javascript:alert(1)",
    "../../etc/passwd",
    "--><script>",
    "&lt;b&gt;",
]
RUN = {
    "version": "0.1.0",
    "command": "histoquant run slides -o out",
    "parameters": {"a": {"b": 0.5}, "c": None},
}


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._quiet = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._quiet = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._quiet = False

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def _row(slide_id: str, **more: Any) -> dict[str, Any]:
    row = {"slide_id": slide_id, "file": f"{slide_id}.svs", "status": "OK", "reason": "", "flags": ""}
    row |= {"patient": "P01", "tract": "T1", "timepoint": "M0", "marker": "CD68", "tissue_mm2": 4.2}
    row |= {"nuclei": 9000, "positive": 1730, "positive_per_mm2": 412.0}
    row |= {"positive_per_mm2_low": 371.2, "positive_per_mm2_high": 457.4}
    return row | more


def _page(
    tmp_path: Path, rows: list[dict[str, Any]], biopsies: pd.DataFrame | None = None
) -> tuple[str, _Page]:
    columns = None if rows else list(_row("x"))
    frame = pd.DataFrame(rows, columns=columns)
    path = write_report(tmp_path, frame, pd.DataFrame() if biopsies is None else biopsies, RUN)
    assert path == tmp_path / "report.html"
    text = path.read_text(encoding="utf-8")
    return text, _Page(text)


def _assert_inert(text: str, page: _Page) -> None:
    allowed = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "footer",
        "nav",
        "section",
        "article",
    }
    allowed |= {
        "h1",
        "h2",
        "h3",
        "p",
        "a",
        "img",
        "span",
        "strong",
        "div",
        "dl",
        "dt",
        "dd",
        "ul",
        "li",
        "figure",
    }
    allowed |= {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    for tag, attrs in page.tags:
        assert tag in allowed
        assert not any(name.startswith("on") or name == "style" for name in attrs)
        if tag == "img":
            assert (attrs["src"] or "").startswith("data:image/")
        if tag == "a":
            assert re.match(r"#|slides/", attrs["href"] or "")
            assert ".." not in (attrs["href"] or "")
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", text)
    assert "@import" not in text
    assert "url(" not in text


def _write_pictures(
    out: Path, slide_id: str, names: tuple[str, ...] = ("thumbnail", "overlay", "fields")
) -> None:
    folder = out / "slides" / slide_id
    folder.mkdir(parents=True)
    for name in names:
        noise = np.random.default_rng(0).integers(0, 255, (500, 700, 3)).astype(np.uint8)
        (folder / f"{name}.png").write_bytes(encode_png(noise))


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    rows = []
    for i, bad in enumerate(HOSTILE):
        rows.append(_row(bad, patient=bad, tract=bad, timepoint=bad, marker=bad, file=bad, mpp_source=bad))
        rows.append(_row(f"s{i}", status="FAILED", reason=bad, flags=f"{bad};X_{i}"))
    run = {**RUN, "study": HOSTILE[1], "command": HOSTILE[0], "parameters": {HOSTILE[1]: HOSTILE[2]}}
    biopsies = pd.DataFrame(
        [{"patient": bad, "tract": bad, "timepoint": bad, "cd68_per_mm2": 1.0} for bad in HOSTILE]
    )
    text = write_report(tmp_path, pd.DataFrame(rows), biopsies, run).read_text()
    page = _Page(text)
    _assert_inert(text, page)
    assert "<img src=x onerror=alert(1)>" in page.text, "shown as it is, not swallowed"
    assert "{{ 7*7 }}" in page.text


def test_policy_allows_this_style_sheet_and_nothing_else(tmp_path: Path) -> None:
    text, page = _page(tmp_path, [_row("a")])
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    styles = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'")
    assert "unsafe" not in policy


def test_pictures_are_inside_the_page_and_link_to_the_full_ones(tmp_path: Path) -> None:
    _write_pictures(tmp_path, "P01 a")
    text, page = _page(tmp_path, [_row("P01 a"), _row("P02")])
    _assert_inert(text, page)
    links = [a["href"] for t, a in page.tags if t == "a" and (a["href"] or "").startswith("slides/")]
    assert links == [f"slides/P01%20a/{n}.png" for n in ("thumbnail", "overlay", "fields")]
    assert page.text.count("No overlay in the output folder.") == 1


def test_a_cohort_of_thousands_has_stamps_and_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histoquant.report.html.PICTURE_BUDGET_BYTES", 20_000)
    folder = tmp_path / "slides" / "P01"
    folder.mkdir(parents=True)
    for name in ("thumbnail", "overlay", "density", "fields"):
        (folder / f"{name}.png").write_bytes(encode_png(np.full((300, 400, 3), 200, np.uint8)))
    _, page = _page(tmp_path, [_row("P01")])
    pictures = [str(attrs["src"]) for tag, attrs in page.tags if tag == "img"]
    photographs = [source for source in pictures if source.startswith("data:image/jpeg")]
    assert len(photographs) == 1
    assert len(photographs[0]) < 30_000
    links = {attrs.get("href") for tag, attrs in page.tags if tag == "a"}
    assert {"slides/P01/overlay.png", "slides/P01/fields.png"} <= links
    assert "Overlay with counted objects" in page.text
    assert "No overlay" not in page.text


def test_ids_cannot_reach_pictures_outside_the_output_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "slides").mkdir(parents=True)
    _write_pictures(tmp_path, "x")
    secret = tmp_path / "slides" / "x"
    text, _ = _page(out, [_row("../../slides/x"), _row(str(secret)), _row(".."), _row("")])
    assert "data:image/jpeg" not in text


def test_every_slide_and_every_reason_is_said(tmp_path: Path) -> None:
    rows = [
        _row("fine"),
        _row("flagged", status="OK_WITH_FLAGS", flags="NO_GLASS;THRESHOLD_SENSITIVE"),
        _row(
            "refused", status="REFUSED", reason="NO_MPP: refused.svs: no micrometres per pixel. Pass --mpp."
        ),
        _row("failed", status="FAILED", reason="TRUNCATED"),
        _row("silent", status="FAILED", reason=None),
    ]
    for row in rows[2:]:
        row |= dict.fromkeys(("positive_per_mm2", "positive_per_mm2_low", "nuclei", "positive"), np.nan)
    _, page = _page(tmp_path, rows)
    for word in ("fine", "flagged", "refused", "failed", "silent"):
        assert word in page.text
    assert "412 (371–457) /mm²" in page.text
    assert "Pass --mpp." in page.text
    assert explain("TRUNCATED").meaning in page.text
    assert explain("NO_GLASS").way_out in page.text
    assert page.text.count("No reason was recorded; see log.jsonl.") == 2
    assert "nan" not in re.findall(r"[a-z]+", page.text)
    assert "None" not in page.text
    assert "macrophage" not in page.text.lower()
    assert "Research use only" in page.text


@pytest.mark.parametrize(
    "rows", [[], [_row("a", status="FAILED", reason="EMPTY_FILE", positive_per_mm2=None)]]
)
def test_empty_and_all_failed_runs_have_a_page(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    text, page = _page(tmp_path, rows)
    _assert_inert(text, page)
    assert "No biopsy could be formed" in page.text
    assert "No inflammatory marker has a value to draw." in page.text


def test_biopsies_show_intervals_and_the_reason_for_what_is_empty(tmp_path: Path) -> None:
    common = {"patient": "P01", "tract": "T1", "cd20_status": "OK"}
    biopsies = pd.DataFrame(
        [
            {**common, "timepoint": "M0", "month": 0.0, "cd68_per_mm2": 412.0, "cd68_per_mm2_low": 371.0}
            | {"cd68_per_mm2_high": 457.0, "cd68_status": "OK", "score_status": "NO_REFERENCE: freeze some"},
            {**common, "timepoint": "M2", "month": 2.0, "cd68_per_mm2": None, "cd68_status": "FAILED NO_MPP"}
            | {"score_status": "CD68: FAILED NO_MPP; NO_REFERENCE: freeze some"},
        ]
    )
    _, page = _page(tmp_path, [_row("a")], biopsies)
    assert "412 (371–457)" in page.text
    assert "CD68: slide failed: resolution unknown" in page.text
    assert page.text.count("There is no frozen reference") == 1, "said once, not per row"
    assert "nan" not in re.findall(r"[a-z]+", page.text)


def test_same_tables_same_bytes(tmp_path: Path) -> None:
    _write_pictures(tmp_path, "a")
    first, _ = _page(tmp_path, [_row("a"), _row("b", timepoint="M2")])
    second, _ = _page(tmp_path, [_row("a"), _row("b", timepoint="M2")])
    assert first == second
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "slides"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12.0, "12"), (1234.5, "1,234"), (0.04567, "0.0457"), (-0.42, "−0.420"), (0.0000001, "0")]
    + [(bad, None) for bad in (np.nan, None, "", "x", float("inf"), pd.NA, True)],
)
def test_numbers_are_short_or_absent(value: Any, text: str | None) -> None:
    assert number_text(value) == text


def test_intervals_share_the_digits_of_their_estimate() -> None:
    assert interval_text(412.3, 371.4, 457.1, "/mm²") == "412 (371–457) /mm²"
    assert interval_text(0, 0, 3.689, "/mm²") == "0 (0–3.69) /mm²"
    assert interval_text(5.25, np.nan, None, "%") == "5.25 %"
    assert interval_text(None, 1, 2) is None
