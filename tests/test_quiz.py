import pytest

from helpers import quiz as quiz_module
from helpers.checks.exercise import MODULES
from helpers.quiz import questions, quiz

QUESTIONS = {module: questions(module) for module in MODULES}

ALL = [
    pytest.param(question, id=f"{module}-{number}")
    for module, questions in QUESTIONS.items()
    for number, question in enumerate(questions, start=1)
]


@pytest.mark.parametrize("module", QUESTIONS)
def test_a_module_has_three_to_five_questions_with_the_right_answer_in_varying_places(module):
    assert 3 <= len(QUESTIONS[module]) <= 5
    places = [[option.right for option in q.options].index(True) for q in QUESTIONS[module]]
    assert len(set(places)) > 1


@pytest.mark.parametrize("question", ALL)
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


@pytest.mark.parametrize("module", QUESTIONS)
def test_choosing_shows_the_verdict_and_the_reason_of_that_answer(module):
    q = quiz(module)
    for question, radio, feedback in zip(q.questions, q.radios, q.feedback, strict=True):
        assert radio.value is None
        assert feedback.value == ""
        for position, option in enumerate(question.options):
            radio.value = position
            assert radio.label == option.text
            assert ("Right." in feedback.value) == option.right
            assert option.reason.replace(">", "&gt;") in feedback.value


@pytest.mark.parametrize("module", QUESTIONS)
def test_the_text_twin_holds_every_question_answer_and_reason(module):
    q = quiz(module)
    text = " ".join(repr(q).split())
    page = quiz_module._Text(q.questions)._repr_html_()
    assert page.count("<details>") == 1 + len(q.questions)
    for question in q.questions:
        for part in (question.text, *(o.text for o in question.options)):
            assert part in text
            assert part.replace(">", "&gt;") in page
        for option in question.options:
            assert option.reason in text
            assert option.reason.replace(">", "&gt;") in page
    assert max(map(len, repr(q).splitlines())) <= 90


def test_it_is_shown_as_controls_and_as_text(monkeypatch):
    shown = []
    for display in (quiz_module.show, quiz_module.show_controls):
        monkeypatch.setitem(display.__globals__, "display", lambda value, **_: shown.append(value))
    quiz("01")._ipython_display_()
    controls, text = shown
    assert "application/vnd.jupyter.widget-view+json" in controls
    assert "<summary>" in text._repr_html_()


@pytest.mark.parametrize("module", [1, "1", " 01 "])
def test_a_module_may_be_written_as_a_number(module):
    assert repr(quiz(module)) == repr(quiz("01"))


def test_an_unknown_module_is_named():
    with pytest.raises(ValueError, match=r"no quiz for module '9'; there are 01"):
        quiz("9")
