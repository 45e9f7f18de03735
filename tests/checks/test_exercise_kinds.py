"""What the kinds of exercises share beside their verdicts: what is recorded, shown, and refused."""

import dataclasses
import threading

import numpy as np
import pytest
from right_01 import score_of_nearest

from helpers import checks
from helpers.checks import check, exercises, grade, progress, values, wrap_up
from helpers.checks.exercise import Task, TextError
from helpers.checks.record import Record, Scores
from helpers.checks.verdict import Verdict
from helpers.checks.wrap_up import Hidden

RULE = checks._exercise("1.13")
GUESS = checks._exercise("1.12")


def prediction(**about):
    return Task("9.1", "a guess", "guess", 1, 1, (), "predict", "guess = 1", {"why": "So."} | about)


@pytest.mark.parametrize(
    ("about", "right", "wrong"),
    [
        ({"answer": 100, "tolerance": 5}, [100, 95.0, np.int64(105), [100]], [94, 106, -100]),
        ({"answer": 0.05}, [0.05, np.float32(0.05)], [0.0501, 5]),
        ({"band": [0.8, 0.9]}, [0.8, 0.85, 0.9], [0.79, 0.91]),
        ({"answer": [1, 2]}, [(1, 2), [1.0, 2], np.array([1, 2])], [(2, 1), [1], 1, (1, "2")]),
        ({"answer": {"a": 1, "b": 2}}, [{"b": 2, "a": 1}], [{"a": 1}, (1, 2), {"a": 1, "b": 2.1}]),
        ({"band": {"a": [0, 1], "b": [2, 3]}}, [{"a": 0.5, "b": 3}], [{"a": 2, "b": 3}]),
    ],
)
def test_a_prediction_is_one_number_or_some(about, right, wrong):
    task = prediction(**about)
    for answer in right:
        assert values.predicted(task, answer).passed, answer
    for answer in wrong:
        verdict = values.predicted(task, answer)
        assert verdict.status in ("wrong_form", "wrong_value") and verdict.detail, answer


def test_a_prediction_has_an_answer_or_a_band():
    for about in ({}, {"answer": 1, "band": [0, 2]}):
        with pytest.raises(TextError, match="an `answer` or a `band`"):
            values.predicted(prediction(**about), 1)


def test_no_verdict_on_a_wrong_prediction_says_the_answer():
    for guess in (0.3, 0.2, 0.9):
        said = grade("1.12", {"spread": 0.125, "flagged": guess}).detail
        assert "0.45" not in said and "45 %" not in said


def test_what_a_check_hands_out_works_and_is_no_answer(capsys):
    handed_out = check("1.12", {"spread": 9, "flagged": 0.45})
    assert handed_out["spread"] * 8 == 1 and isinstance(handed_out, dict)
    assert grade("1.12", handed_out).title == "no answer of your own"
    assert "goes on with the course's own answer" in capsys.readouterr().out
    assert Record().statuses() == {"1.12": "wrong_value"}
    check("1.12", handed_out)
    assert Record().statuses() == {"1.12": "wrong_value"}


def test_a_choice_is_right_that_the_run_supports():
    """Were the run to come out otherwise, another choice would be right."""
    other = values.held_back(RULE) | {"best": ["gaussian"]}
    task = dataclasses.replace(RULE, probe=lambda: other)
    assert values.chosen(task, ("gaussian", "B")).passed
    assert values.chosen(task, ("conformal", "B")).misconception == "conformal"


def test_the_run_names_choices_of_the_file():
    task = dataclasses.replace(RULE, probe=lambda: {"best": ["median"]})
    with pytest.raises(TextError, match="no choices"):
        values.chosen(task, ("gaussian", "B"))


# --- wrap-up ----------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (200, 1, 4, 4)).astype(np.uint8)
ANOMALOUS = np.arange(200) >= 120
IMAGES[ANOMALOUS, 0, 0, 0] = np.maximum(IMAGES[ANOMALOUS, 0, 0, 0], 128)


def small(rungs=None):
    hidden = Hidden(IMAGES, ANOMALOUS, "sample", {"ink": IMAGES.mean((1, 2, 3))}, rungs or {})
    return Task(
        "9.2", "w", "score", 1, 1, (), "wrap-up", "def score(images): ...", {}, lambda: hidden
    )


def corner(images):
    return images[:, 0, 0, 0].astype(float)


def test_a_score_is_compared_with_the_best_trivial_one_and_rungs_are_counted():
    verdict = wrap_up.judged(
        small({"corner": corner(IMAGES) / 2, "none": 0 * corner(IMAGES)}), corner
    )
    assert verdict.passed and "Higher rungs overtaken: 1 of 2" in verdict.detail
    assert verdict.score == wrap_up.hidden(small()).area(corner(IMAGES))
    assert f"{verdict.score:.3f}  yours" in verdict.detail and "ink" in verdict.detail
    verdict = wrap_up.judged(small(), lambda images: images.mean((1, 2, 3)) + 0.0)
    assert not verdict.passed and "not better than `ink`" in verdict.detail


def test_images_of_one_patient_are_redrawn_together():
    """Here all images of a patient score alike, so there are as many facts as patients."""
    patients = np.arange(200) // 10
    rng = np.random.default_rng(1)
    scores, other = (rng.normal(size=20)[patients] + add for add in (ANOMALOUS, 0))
    by_image, by_patient = (
        Hidden(IMAGES, ANOMALOUS, "sample", {}, {}, who) for who in (None, patients)
    )
    for what in (lambda h: h.interval(scores), lambda h: h.difference(scores, other)):
        (low, high), (least, most) = what(by_patient), what(by_image)
        assert high - low > 1.8 * (most - least)
    assert by_patient.difference(scores, scores) == (0, 0)
    assert by_patient.area(scores) == by_image.area(scores)


def test_scores_come_back_in_the_order_of_the_images():
    """They are handed in shuffled, so that no place in the batch tells an anomaly."""
    place = wrap_up.judged(small(), lambda images: np.arange(len(images)) * 1.0)
    assert place.status == "wrong_behaviour"
    seen = []
    wrap_up.judged(small(), lambda images: seen.append(images.copy()) or corner(images))
    assert not np.array_equal(seen[0], IMAGES)


@pytest.mark.parametrize("error", [ValueError("my own"), SystemExit(1)])
def test_an_exception_is_the_learners(error):
    def score(images):
        raise error

    verdict = wrap_up.judged(small(), score)
    assert verdict.status == "wrong_form" and type(error).__name__ in verdict.detail


def test_infinite_scores_are_scores():
    verdict = wrap_up.judged(small(), lambda x: np.where(corner(x) > 127, np.inf, corner(x)))
    assert verdict.passed


def test_a_wrap_up_once_passed_stays_passed_and_the_answer_is_kept(capsys):
    def darkness(images):
        return -images.mean((1, 2, 3))

    assert check("1.14", score_of_nearest) is score_of_nearest
    assert check("1.14", darkness) is darkness
    out = capsys.readouterr().out
    assert "attempts: 2" in out and out.count("← now") == 2
    assert Record().statuses() == {"1.14": "passed"}
    progress()
    best = Scores().best()["1.14"]
    assert f"wrap-up {best:.3f}" in capsys.readouterr().out


def test_grade_keeps_and_shows_nothing(tmp_path, capsys):
    grade("1.14", score_of_nearest)
    assert list(tmp_path.iterdir()) == [] and capsys.readouterr().out == ""


def attempt(score, passed=False, source="sample"):
    status = "passed" if passed else "wrong_value"
    return Verdict(status, "", score=score, source=source)


def test_the_best_attempts_are_kept_for_each_data():
    for score in (0.5, 0.7, 0.6, 0.9, 0.8, 0.4, 0.3):
        text = Scores().note("1.14", attempt(score))
    assert [line[2:7] for line in text.splitlines()[2:]] == [
        "0.900",
        "0.800",
        "0.700",
        "0.600",
        "0.500",
    ]
    text = Scores().note("1.14", attempt(0.1, source="real"))
    assert text.count("data") == 1 and "attempts: 8" in text
    assert Scores().best() == {"1.14": 0.9}


def test_attempts_of_two_kernels_are_all_counted():
    def some():
        for _ in range(10):
            Scores().note("1.14", attempt(0.5))

    threads = [threading.Thread(target=some) for _ in range(2)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert Scores().entries()["1.14"]["tries"] == 20


def test_statuses_of_two_kernels_are_all_kept():
    def some(module):
        for i in range(20):
            Record().note(f"{module}.{i}", "passed")

    threads = [threading.Thread(target=some, args=(module,)) for module in (1, 2)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert len(Record().statuses()) == 40


@pytest.mark.parametrize(
    "text", ["[1]", '{"1.14": 3}', '{"1.14": {"tries": "x", "best": [{}]}}', "{"]
)
def test_a_table_of_something_else_is_no_table(text, tmp_path):
    (tmp_path / ".course-scores.json").write_text(text)
    assert Scores().best() == {}
    Scores().note("1.14", attempt(0.5))
    assert Scores().best() == {"1.14": 0.5}


def test_a_folder_that_takes_no_file_costs_no_attempt(tmp_path):
    (tmp_path / ".course-scores.json").mkdir()
    for _ in range(2):
        text = Scores().note("1.14", attempt(0.5, passed=True))
    assert "until the kernel restarts, not on disk" in text and "attempts: 2" in text
    assert Scores().passed("1.14")


def test_exercises_have_a_kind():
    assert {"predict", "choose", "wrap-up", "find the bug"} <= {e.kind for e in exercises()}
