import html
import re

import pytest
from node import computed, needs_node

from helpers import quiz as quiz_module
from helpers.authoring.build import sources
from helpers.checks.exercise import MODULES
from helpers.quiz import Near, Question, Quiz, questions, quiz


def judged(question, *answers):
    """What the browser says to each answer of one question, as (right, says); None to none."""
    states = [{"answers": [answer]} for answer in answers]
    found = [state[0] for state in computed(Quiz("", [question]), states)]
    return [one and (one["right"], one["says"]) for one in found]


def bare(text):
    """Without tags, and without the marks for code and stress."""
    return re.sub("[`*]", "", html.unescape(re.sub(r"<[^<>]+>", "", text)))


QUESTIONS = {module: questions(module) for module in MODULES}
ALL = [
    pytest.param(question, id=f"{module}-{question.id}")
    for module, questions in QUESTIONS.items()
    for question in questions
]
CHOICES = [p for p in ALL if p.values[0].options]
NUMBERS = [p for p in ALL if not p.values[0].options]
OF_A_RUN = 0.437  # what the learner's own run found
ASKED = re.compile(r'\bquiz\("(\d+)"(?:, "([\w-]+)"(, value=)?)?')


@pytest.mark.parametrize("module", QUESTIONS)
def test_a_module_has_questions_with_the_right_answer_in_varying_places(module):
    asked = [q for q in QUESTIONS[module] if q.options]
    assert 3 <= len(QUESTIONS[module]) <= 12
    places = [[option.right for option in q.options].index(True) for q in asked]
    assert len(set(places)) > 1
    ids = [q.id for q in QUESTIONS[module]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-z0-9-]+", id) for id in ids)


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_what_is_placed_is_asked_once_in_the_notebook_and_two_are_left_for_the_end(source):
    module = source.stem[:2]
    calls = ASKED.findall(source.read_text(encoding="utf-8"))
    assert {number for number, *_ in calls} == {module}
    placed = {q.id: q.run for q in QUESTIONS[module] if q.placed}
    assert sorted(id for _, id, _ in calls if id) == sorted(placed)
    assert [id for _, id, _ in calls].count("") == 1
    assert all(bool(value) == placed[id] for _, id, value in calls if id)
    assert len(QUESTIONS[module]) - len(placed) >= 2


@pytest.mark.parametrize("question", CHOICES)
def test_a_question_has_one_right_answer_and_a_reason_for_each(question):
    assert question.text.endswith("?")
    assert 3 <= len(question.options) <= 5
    assert sum(option.right for option in question.options) == 1
    assert len({option.text for option in question.options}) == len(question.options)
    assert len({option.reason for option in question.options}) == len(question.options)
    for option in question.options:
        assert option.text.endswith(".")
        assert option.reason.endswith(".")
        assert len(option.reason) > 40
        assert len(option.text) < 90  # one line beside its button
    assert question.answer is None and not question.near and not question.run


@pytest.mark.parametrize("question", NUMBERS)
def test_a_number_has_its_reason_and_its_known_mistakes(question):
    assert question.text.endswith(("?", "."))
    assert question.tolerance > 0 and len(question.reason) > 40
    assert question.run == (question.answer is None)
    assert question.placed or not question.run
    assert question.run or len(question.near) >= 2


@needs_node
@pytest.mark.parametrize("module", QUESTIONS)
def test_an_answer_gets_its_verdict_and_its_reason(module):
    for question in QUESTIONS[module]:
        if question.options:
            found = judged(question, *range(len(question.options)))
            assert found == [(option.right, option.reason) for option in question.options]
        else:
            if question.run:
                (question,) = quiz(module, question.id, value=OF_A_RUN).questions
            typed = [question.answer, *(near.value for near in question.near), -99, 99, "x", " "]
            right, *wrong, low, high, unread, blank = judged(question, *map(str, typed))
            assert right == (True, question.reason)
            assert wrong == [(False, near.says) for near in question.near]
            assert (low, high) == ((False, "Too low."), (False, "Too high."))
            assert unread[0] is None and blank is None
    assert judged(QUESTIONS[module][0], None) == [None]


@pytest.mark.parametrize("module", QUESTIONS)
def test_the_text_twin_holds_every_question_and_folds_the_answers_in_html_alone(module, capsys):
    q = quiz(module)
    text = " ".join(repr(q).split())
    page = bare(q.still())
    q.answers()
    answers = " ".join(capsys.readouterr().out.split())
    assert q.still().count("<details>") == len(q.questions)
    for question in q.questions:
        for part in (question.text, *(o.text for o in question.options)):
            assert part in text
            assert bare(part) in page
        for reason in [o.reason for o in question.options] or [question.reason]:
            assert reason not in text
            assert reason in answers
            assert bare(reason) in page
    assert "Right." not in text and "Not this one." not in text and "Answers" not in text
    assert max(map(len, repr(q).splitlines())) <= 90


@pytest.mark.parametrize("module", QUESTIONS)
def test_the_answers_of_a_quiz_are_those_of_all_questions_of_its_module(module, capsys):
    quiz(module).answers()
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 88
    words = " ".join(printed.split())
    for number, question in enumerate(QUESTIONS[module], start=1):
        assert f"{number}. {question.text} " in words
        for letter, option in zip("ABCDE", question.options, strict=False):
            verdict = "Right." if option.right else "Not this one."
            assert f"{letter}. {option.text} {verdict} {option.reason}" in words
        if not question.options:
            assert ("It depends on your own run." if question.run else question.reason) in words
            assert question.run or f"{question.answer:.4g}. " in words


def test_one_question_is_asked_by_its_id(capsys):
    quiz("01", "constant-score").answers()
    assert capsys.readouterr().out.startswith("1. A broken detector")
    (question,) = quiz("01", "constant-score").questions
    assert "same score" in question.text
    with pytest.raises(ValueError, match="no question 'rank' in module 01; there are batch-means"):
        quiz("01", "rank")


def test_a_question_about_the_learners_own_run_takes_its_number(monkeypatch):
    reason = "Yours is {value:.3f}; half of them."
    own = Question("own", "How many?", tolerance=0.01, reason=reason, run=True, placed=True)
    monkeypatch.setattr(quiz_module, "questions", lambda module: (own,))
    (asked,) = quiz("01", "own", value=OF_A_RUN).questions
    assert asked.reason == "Yours is 0.437; half of them." and asked.answer == OF_A_RUN
    with pytest.raises(ValueError, match="give it as value="):
        quiz("01", "own")


@needs_node
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *(("0.25", 0.25), ("0,25", 0.25), ("25 %", 0.25), ("25%", 0.25), ("1/4", 0.25)),
        *((" -3 ", -3), ("−3", -3), ("1e-3", 0.001), ("1/0", None), ("50 % / 2", None)),
        *(("1/2/3", None), ("nan", None), ("inf", None), ("a quarter", None), ("0x10", None)),
        *(("0.25.1", None), ("+.5", 0.5), ("1 / 4", 0.25), ("%", None)),
    ],
)
def test_a_number_is_read_as_people_write_it(typed, meant):
    question = Question("q", "?", answer=meant or 0.0, tolerance=1e-12, reason="So.")
    assert judged(question, typed)[0][0] is (None if meant is None else True)


@needs_node
def test_near_misses_and_percentages_have_their_own_sentence():
    near = (Near(0.5, "Half of it."), Near(0.26, "A little too much.", tolerance=0.001))
    q = Question("q", "?", answer=0.25, tolerance=0.005, reason="A quarter.", near=near)
    typed = "0.25", "0.254", "0.5", "0.26", "0.262", "25", "-1"
    found = dict(zip(typed, judged(q, *typed), strict=True))
    assert found["0.25"] == found["0.254"] == (True, "A quarter.")
    assert found["0.5"] == (False, "Half of it.") and found["0.26"][1].startswith("A little")
    assert found["0.262"] == (False, "Too high.") and found["-1"] == (False, "Too low.")
    assert "percentage" in found["25"][1]


@pytest.mark.parametrize("module", [1, "1", " 01 "])
def test_a_module_may_be_written_as_a_number(module):
    assert repr(quiz(module)) == repr(quiz("01"))


def test_an_unknown_module_is_named():
    with pytest.raises(ValueError, match=r"no quiz for module '9'; there are 00, 01"):
        quiz("9")
