"""The checker itself: statuses, display, restored state, hints, progress, strict mode."""

import json
import random

import numpy as np
import pytest
import torch
from torch import nn

from helpers import checks
from helpers.checks import CheckFailed, check, exercises, grade, hint, progress, solution
from helpers.scores import reconstruction_error


def scaffold(x, x_hat):
    """Mean squared error of each image."""
    ...


def test_untouched_scaffold_is_not_started():
    assert grade("1.4", scaffold).status == "not_started"
    assert grade("1.4", None).status == "not_started"
    assert grade("1.4", ...).status == "not_started"


def test_untouched_class_is_not_started():
    class Scaffold(nn.Module):
        def __init__(self, latent_dim=20):
            super().__init__()
            self.encoder = ...
            self.decoder = ...

        def encode(self, x):
            return self.encoder(x)

        def decode(self, z):
            return self.decoder(z)

        def forward(self, x):
            return self.decode(self.encode(x))

    assert grade("1.2", Scaffold).status == "not_started"


def test_half_written_class_says_what_is_missing():
    class Half(nn.Module):
        def __init__(self, latent_dim=20):
            super().__init__()
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, latent_dim))
            self.decoder = ...

        def encode(self, x):
            return self.encoder(x)

    verdict = grade("1.2", Half)
    assert verdict.status == "wrong_form"
    assert "decoder" in verdict.detail


def test_forgotten_return():
    def no_return(x, x_hat):
        (x - x_hat).square().flatten(1).mean(1)

    verdict = grade("1.4", no_return)
    assert verdict.status == "wrong_form"
    assert "return" in verdict.detail


def test_error_names_the_learners_own_line():
    def broken(x, x_hat):
        difference = x - x_hat
        return difference.mean(dim=7)

    verdict = grade("1.4", broken)
    assert verdict.status == "wrong_form"
    assert "IndexError" in verdict.detail
    assert "return difference.mean(dim=7)" in verdict.detail


def test_result_instead_of_the_function():
    x = torch.zeros(2, 1, 4, 4)
    verdict = grade("1.4", reconstruction_error(x, x))
    assert verdict.status == "wrong_form"
    assert 'check("1.4", reconstruction_error)' in verdict.detail


def test_wrong_answer_without_a_known_misconception_quotes_both_numbers():
    verdict = grade("1.4", lambda x, x_hat: 7 * reconstruction_error(x, x_hat))
    assert verdict.status == "wrong_value"
    assert verdict.misconception is None
    assert "1.5" in verdict.detail and "10.5" in verdict.detail


def test_in_place_edit_is_wrong_behaviour():
    def in_place(x, x_hat):
        return x_hat.sub_(x).square().flatten(1).mean(1)

    assert not grade("1.4", in_place).passed


def test_seed_left_changed_is_wrong_behaviour():
    def seeding(x, x_hat):
        torch.manual_seed(0)
        return reconstruction_error(x, x_hat)

    verdict = grade("1.4", seeding)
    assert verdict.status == "wrong_behaviour"
    assert "seed" in verdict.detail


def test_gradient_mode_left_changed_is_wrong_behaviour():
    def no_grad_for_ever(a, b):
        torch.set_grad_enabled(False)
        return 0.5

    try:
        verdict = grade("1.8", no_grad_for_ever)
    finally:
        assert torch.is_grad_enabled()
    assert not verdict.passed


@pytest.mark.parametrize("id", [e.id for e in exercises()])
def test_state_is_as_before(id):
    reference = next(e for e in exercises() if e.id == id).load_reference()
    torch.manual_seed(5), random.seed(5), np.random.seed(5)  # noqa: NPY002
    grade(id, reference)
    drawn = torch.rand(1).item(), random.random(), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5), random.seed(5), np.random.seed(5)  # noqa: NPY002
    assert drawn == (torch.rand(1).item(), random.random(), np.random.rand())  # noqa: NPY002
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32


def test_broken_checker_is_our_fault(monkeypatch):
    def probe(f):
        raise ZeroDivisionError
        yield

    broken = next(e for e in exercises() if e.id == "1.4").__class__(
        "9.9", "broken", "helpers.scores.reconstruction_error", 1, 1, ("a", "b", "c"), probe, ()
    )
    monkeypatch.setitem(checks._EXERCISES, "9.9", broken)
    verdict = grade("9.9", lambda x, x_hat: x)
    assert verdict.status == "checker_error"
    assert "not yours" in verdict.detail


def test_check_returns_the_candidate_or_the_reference(capsys):
    def right(x, x_hat):
        return (x - x_hat).square().mean(dim=(1, 2, 3))

    assert check("1.4", right) is right
    assert check("1.4", scaffold) is reconstruction_error
    shown = capsys.readouterr().out
    assert "passed" in shown and "not started" in shown and 'hint("1.4")' in shown


def test_in_a_notebook_what_the_check_handed_out_is_no_answer(capsys, monkeypatch):
    assert check("1.4", check("1.4", scaffold)) is reconstruction_error  # elsewhere it is one
    assert "passed" in capsys.readouterr().out
    monkeypatch.setattr(checks, "get_ipython", lambda: "a shell")
    assert check("1.4", check("1.4", scaffold)) is reconstruction_error
    shown = capsys.readouterr().out
    assert "no new answer" in shown and "passed" not in shown


def test_strict_mode_raises(monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    with pytest.raises(CheckFailed, match="not started") as failed:
        check("1.4", scaffold)
    assert failed.value.verdict.status == "not_started"
    assert isinstance(failed.value, AssertionError)


def test_hints_climb_and_stay_at_the_top(capsys, monkeypatch):
    monkeypatch.setattr(checks, "_rungs", {})
    texts = []
    for _ in range(4):
        hint("1.6")
        texts.append(capsys.readouterr().out)
    assert [t.split("\n")[0][:11] for t in texts] == [
        "Hint 1 of 3",
        "Hint 2 of 3",
        "Hint 3 of 3",
        "Hint 3 of 3",
    ]


def test_solution_is_the_references_source(capsys):
    solution("1.4")
    assert "def reconstruction_error(x, x_hat):" in capsys.readouterr().out


def test_progress_counts_and_survives_a_broken_file(tmp_path, capsys):
    check("1.4", reconstruction_error)
    check("1.5", lambda scores, k=1.0: 0.0)
    capsys.readouterr()
    progress()
    assert "○ ○ ○ ● ✗" in capsys.readouterr().out
    assert json.loads((tmp_path / ".course-progress.json").read_text())["1.5"] == "wrong_value"
    assert list(tmp_path.iterdir()) == [tmp_path / ".course-progress.json"]
    (tmp_path / ".course-progress.json").write_text("{ broken")
    progress()
    check("1.4", reconstruction_error)
    assert "●" in capsys.readouterr().out


def test_unknown_exercise_lists_the_known():
    with pytest.raises(KeyError, match=r"1\.1, 1\.2"):
        grade("7.7", scaffold)


def test_banner_escapes_what_the_learner_wrote():
    from helpers.banner import Banner

    page = Banner("a < b", "use `x<y>`")._repr_html_()
    assert "a &lt; b" in page and "<code>x&lt;y&gt;</code>" in page


def test_a_mistake_is_recognised_though_an_edge_case_differs():
    """The same misconception as in the table, which fails otherwise on an empty calibration set."""

    def without_itself(calibration_scores, scores):
        return np.array([(np.asarray(calibration_scores) >= s).mean() for s in scores])

    verdict = grade("1.6", without_itself)
    assert verdict.misconception == "self_not_counted"


def test_an_error_is_not_taken_for_another_one():
    def other_error(x, x_hat):
        raise ValueError("something of my own")

    verdict = grade("1.4", other_error)
    assert verdict.misconception is None
    assert "something of my own" in verdict.detail
