from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histoquant.errors import StudyError
from histoquant.study import Reference, Weights, inflammation_score
from histoquant.study.reference import COMPONENTS, mid_rank


def reference(n: int, **components: list[float]) -> Reference:
    values = {name: sorted(components.get(name, list(map(float, range(n))))) for name in COMPONENTS}
    return Reference(
        id="test",
        n=n,
        clones={},
        scanner=None,
        working_mpp_um=None,
        pipeline_version="0",
        baseline="M0",
        components={name: tuple(column) for name, column in values.items()},
    )


def all_at(value: float) -> dict[str, float]:
    return dict.fromkeys(COMPONENTS, value)


@pytest.mark.parametrize(
    ("x", "rank", "clipped"), [(5, 0, 0.125), (20, 0.5, 0.5), (30, 0.75, 0.75), (50, 1, 0.875)]
)
def test_mid_rank_golden_values(x: float, rank: float, clipped: float) -> None:
    assert mid_rank(np.array([10.0, 20, 20, 40]), np.array([x])) == rank
    tenfold = reference(40, cd68=[10.0] * 10 + [20.0] * 20 + [40.0] * 10)
    share, saturated = tenfold.position("cd68", x)
    assert share == pytest.approx(min(max(rank, 0.5 / 40), 1 - 0.5 / 40))
    assert saturated == (rank in (0, 1))
    assert clipped == min(max(rank, 0.5 / 4), 1 - 0.5 / 4)


def test_the_size_of_the_reference_chooses_the_scale() -> None:
    assert [reference(n).method for n in (1, 9, 10, 29, 30, 500)] == [
        None,
        None,
        *["anchored"] * 2,
        *["percentile"] * 2,
    ]
    assert reference(2).unusable == "REFERENCE_TOO_SMALL (n=2 < 10)"
    with pytest.raises(StudyError, match="REFERENCE_TOO_SMALL"):
        reference(9).position("cd68", 1.0)


def test_anchored_is_linear_between_p5_and_p95() -> None:
    anchored = reference(21)  # 0..20: P5 = 1, P95 = 19
    assert anchored.position("cd68", 10.0) == (0.5, False)
    assert anchored.position("cd68", 14.5) == (0.75, False)
    assert anchored.position("cd68", -3.0) == (0.0, True)
    assert anchored.position("cd68", 19.5) == (1.0, True)
    assert math.isnan(anchored.position("cd68", math.nan)[0])


def test_a_flat_component_cannot_be_anchored_but_can_be_ranked() -> None:
    assert (
        reference(12, cd20_aggregates=[0.0] * 12).unusable
        == "DEGENERATE_REFERENCE (cd20_aggregates: P5 equals P95)"
    )
    assert reference(30, cd20_aggregates=[0.0] * 30).unusable is None


def test_score_golden_value_with_what_stands_beside_it() -> None:
    # ranks of 7, 22 and 31 among 0..39 are 7.5/40, 22.5/40, 31.5/40
    score = inflammation_score({"cd68": 7, "cd20_diffuse": 22, "cd20_aggregates": 31}, reference(40))
    assert score.value == pytest.approx(100 * (0.5 * 7.5 + 0.25 * 22.5 + 0.25 * 31.5) / 40)
    assert score.equal_weights == pytest.approx(100 * (7.5 + 22.5 + 31.5) / 120)
    assert score.without["cd68"] == pytest.approx(100 * (22.5 + 31.5) / 80)
    assert score.without["cd20_diffuse"] == pytest.approx(100 * (0.5 * 7.5 + 0.25 * 31.5) / 40 / 0.75)
    assert (score.grade, score.saturated, score.components) == (2, (), COMPONENTS)


@pytest.mark.parametrize(
    ("rank", "grade"), [(0, 0), (3, 0), (4, 1), (10, 2), (27, 2), (28, 3), (37, 3), (38, 4)]
)
def test_grades_cut_at_10_25_70_95(rank: int, grade: int) -> None:
    score = inflammation_score(all_at(rank), reference(40))
    assert score.value == pytest.approx(100 * (rank + 0.5) / 40)
    assert score.grade == grade


def test_a_value_on_a_cut_has_not_passed_it() -> None:
    anchored = reference(21)
    assert inflammation_score(all_at(1 + 18 * 0.25), anchored).value == 25.0
    assert inflammation_score(all_at(1 + 18 * 0.25), anchored).grade == 1


def test_saturation_names_the_components_at_their_clip() -> None:
    score = inflammation_score({"cd68": 99, "cd20_diffuse": 5, "cd20_aggregates": -1}, reference(40))
    assert score.saturated == ("cd68", "cd20_aggregates")


def test_a_missing_marker_forbids_or_renormalises_and_is_never_filled() -> None:
    values = {"cd68": 10.0, "cd20_diffuse": math.nan}
    forbidden = inflammation_score(values, reference(40))
    assert (forbidden.value, forbidden.partial, forbidden.grade, forbidden.components) == (
        None,
        None,
        None,
        (),
    )
    partial = inflammation_score(values, reference(40), partial="renormalise")
    assert (partial.value, partial.grade, partial.components) == (None, None, ("cd68",))
    assert partial.partial == pytest.approx(100 * 10.5 / 40)
    assert inflammation_score({}, reference(40), partial="renormalise").partial is None


def test_two_visits_are_compared_on_what_both_have() -> None:
    paired = inflammation_score(all_at(10), reference(40), partial="renormalise", only={"cd68"})
    assert (paired.partial, paired.components) == (pytest.approx(100 * 10.5 / 40), ("cd68",))


def test_a_component_without_weight_is_not_required() -> None:
    only_cd68 = Weights(cd68=1, cd20_diffuse=0, cd20_aggregates=0)
    score = inflammation_score({"cd68": 10.0}, reference(40), only_cd68)
    assert score.value == score.equal_weights == pytest.approx(100 * 10.5 / 40)
    assert score.without == {"cd68": None}


def test_what_has_no_weight_enters_no_partial_score() -> None:
    values = {"cd68": 10.0, "cd20_aggregates": 30.0}
    score = inflammation_score(values, reference(40), Weights(cd20_aggregates=0), partial="renormalise")
    assert (score.components, score.partial) == (("cd68",), pytest.approx(100 * 10.5 / 40))


finite = st.floats(-50, 50)
samples = st.lists(finite, min_size=12, max_size=45, unique=True)


@given(samples, st.tuples(finite, finite, finite), st.integers(0, 2), st.floats(0, 30))
def test_the_index_rises_with_each_component(
    values: list[float], at: tuple[float, float, float], which: int, more: float
) -> None:
    frozen = reference(len(values), **dict.fromkeys(COMPONENTS, values))
    if frozen.unusable is not None:
        return
    before = dict(zip(COMPONENTS, at, strict=True))
    after = {**before, COMPONENTS[which]: at[which] + more}
    low, high = inflammation_score(before, frozen), inflammation_score(after, frozen)
    assert low.value is not None
    assert high.value is not None
    assert low.value <= high.value + 1e-12
    assert 0 <= low.value <= 100
    assert low.grade is not None
    assert high.grade is not None
    assert low.grade <= high.grade


@given(st.integers(30, 60), st.randoms())
def test_a_reference_scores_itself_at_fifty_on_average(n: int, random: object) -> None:
    frozen = reference(n)
    scores = [inflammation_score(all_at(value), frozen).value for value in range(n)]
    assert np.mean([score for score in scores if score is not None]) == pytest.approx(50)


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "reference.json"
    frozen = reference(12, cd68=[0.1 * n for n in range(12)])
    frozen.save(path)
    assert Reference.load(path) == frozen
    assert json.loads(path.read_text())["sha256"] == frozen.sha256
    with pytest.raises(StudyError, match="never overwritten"):
        frozen.save(path)


@pytest.mark.parametrize("change", ["value", "id", "extra", "sha256", "n"])
def test_an_edited_reference_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "reference.json"
    reference(12).save(path)
    body = json.loads(path.read_text())
    match change:
        case "value":
            body["components"]["cd68"][3] += 1e-12
        case "sha256":
            body["sha256"] = "0" * 64
        case _:
            body[change] = 13
    path.write_text(json.dumps(body))
    with pytest.raises(StudyError, match=r"reference.json: changed since it was frozen.*Restore"):
        Reference.load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"sha256": 1', '"x"', "[" * 100_000])
def test_what_is_no_reference_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(StudyError, match=r"r.json: not a reference file.*from_biopsies"):
        Reference.load(tmp_path / "r.json")
    with pytest.raises(StudyError, match="cannot be read"):
        Reference.load(tmp_path / "none.json")


def test_a_reference_must_be_whole() -> None:
    with pytest.raises(ValueError, match="sorted"):
        Reference.model_validate({**reference(12).model_dump(), "n": 11})
    with pytest.raises(ValueError, match="components must be"):
        Reference.model_validate({**reference(12).model_dump(), "components": {}})
