"""The checker itself: statuses, display, restored state, hints, progress, strict mode."""

import dataclasses
import errno
import functools
import inspect
import json
import random
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers import checks
from helpers.checks import CheckFailed, check, exercises, grade, hint, progress, solution
from helpers.checks.exercise import Exercise
from helpers.models import ConvAutoencoder
from helpers.scores import reconstruction_error

# exercises whose answer is a function or a class
WRITTEN = [e.id for e in exercises() if isinstance(e, Exercise)]


def edited(id):
    """An answer of one's own that is right: the reference, compiled anew."""
    return next(e for e in exercises() if e.id == id).edited()


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
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, latent_dim))  # given
            self.decoder = ...

        def encode(self, x):
            return self.encoder(x)

        def decode(self, z):
            return self.decoder(z)

        def forward(self, x):
            return self.decode(self.encode(x))

    assert grade("1.2", Scaffold).status == "not_started"


def test_untouched_class_with_a_given_method_is_not_started():
    class Scaffold:
        def __init__(self, alpha):
            self.alpha = alpha

        def fit(self, calibration_scores):
            self.threshold_ = 0.0
            return self

        def decision_function(self, scores): ...

        def predict(self, scores): ...

        def p_values(self, scores): ...

    assert grade("4.4", Scaffold).status == "not_started"


def test_half_written_class_says_what_is_missing():
    class Half(nn.Module):
        def __init__(self, latent_dim=20):
            super().__init__()
            self.encoder = ...
            self.decoder = nn.Sequential(nn.Linear(latent_dim, 784), nn.Unflatten(1, (1, 28, 28)))

        def encode(self, x):
            return self.encoder(x)

    verdict = grade("1.2", Half)
    assert verdict.status == "wrong_form"
    assert "encoder" in verdict.detail


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
    verdict = grade("1.4", lambda x, x_hat: 7 * (x - x_hat).square().mean(dim=(1, 2, 3)))
    assert verdict.status == "wrong_value"
    assert verdict.misconception is None
    assert "[2.25, 3]" in verdict.detail and "[15.75, 21]" in verdict.detail


def test_in_place_edit_is_wrong_behaviour():
    def in_place(x, x_hat):
        return x_hat.sub_(x).square().flatten(1).mean(1)

    verdict = grade("1.4", in_place)
    assert verdict.status == "wrong_behaviour"
    assert "`x_hat`" in verdict.detail and "in place" in verdict.detail


def test_an_in_place_edit_is_named_first_and_spoils_no_other_check():
    def right_but_edits(normal_scores, anomaly_scores, **settings):
        interval = edited("3.3")(normal_scores, anomaly_scores, **settings)
        np.random.default_rng(0).shuffle(normal_scores)
        return interval

    for _ in range(2):
        verdict = grade("3.3", right_but_edits)
        assert verdict.status == "wrong_behaviour" and "`normal_scores`" in verdict.detail
    assert grade("3.3", edited("3.3")).passed


def test_an_in_place_edit_and_a_wrong_value_are_both_said():
    verdict = grade("1.4", lambda x, x_hat: x.sub_(x_hat).square().flatten(1).sum(1))
    first, second = verdict.detail.split("\n")
    assert "`x`" in first and "should give" in second


@pytest.mark.parametrize("reseed", [np.random.seed, random.seed, torch.manual_seed])
def test_any_seed_left_changed_is_wrong_behaviour(reseed):
    def seeding(x, x_hat):
        reseed(91)  # not that of a test before
        return (x - x_hat).square().mean(dim=(1, 2, 3))

    verdict = grade("1.4", seeding)
    assert verdict.status == "wrong_behaviour"
    assert "random" in verdict.detail and "whole session" in verdict.detail


@pytest.mark.parametrize("draw", [lambda: np.random.rand(5000), lambda: random.random()])  # noqa: NPY002
def test_drawing_from_a_shared_generator_is_a_fault_only_where_a_seed_is_taken(draw):
    def answer(x, x_hat):
        draw()
        return (x - x_hat).square().mean(dim=(1, 2, 3))

    assert grade("1.4", answer).passed
    interval = edited("3.3")

    def seeded(normal_scores, anomaly_scores, **settings):
        draw()
        return interval(normal_scores, anomaly_scores, **settings)

    verdict = grade("3.3", seeded)
    assert verdict.status == "wrong_behaviour" and "global random numbers" in verdict.detail


def test_another_default_is_said():
    verdict = grade("1.5", lambda scores, k=2.0: np.mean(scores) + k * np.std(scores))
    assert "default 1.0; yours has 2.0" in verdict.detail
    verdict = grade("1.5", lambda scores, k: np.mean(scores) + k * np.std(scores))
    assert "yours has none" in verdict.detail


def test_seed_left_changed_is_wrong_behaviour():
    def seeding(x, x_hat):
        torch.manual_seed(0)
        return (x - x_hat).square().mean(dim=(1, 2, 3))

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


@pytest.mark.parametrize("id", WRITTEN)
def test_state_is_as_before(id):
    candidate = edited(id)
    torch.manual_seed(5), random.seed(5), np.random.seed(5)  # noqa: NPY002
    grade(id, candidate)
    drawn = torch.rand(1).item(), random.random(), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5), random.seed(5), np.random.seed(5)  # noqa: NPY002
    assert drawn == (torch.rand(1).item(), random.random(), np.random.rand())  # noqa: NPY002
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32


def test_broken_checker_is_our_fault(monkeypatch):
    def probe(f):
        raise ZeroDivisionError
        yield

    broken = dataclasses.replace(checks._exercise("1.4"), id="1.99", probe=probe)
    monkeypatch.setitem(checks.of_module("01"), "1.99", broken)
    verdict = grade("1.99", lambda x, x_hat: x)
    assert verdict.status == "checker_error"
    assert "not yours" in verdict.detail


def test_check_returns_the_candidate_or_the_reference(capsys):
    def right(x, x_hat):
        return (x - x_hat).square().mean(dim=(1, 2, 3))

    assert check("1.4", right) is right
    assert check("1.4", scaffold) is reconstruction_error
    shown = capsys.readouterr().out
    assert "passed" in shown and "not started" in shown and 'hint("1.4")' in shown


def test_the_reference_is_no_answer_however_it_is_called(capsys):
    class Wrapper:
        def __call__(self, x, x_hat):
            return reconstruction_error(x, x_hat)

    def hidden(x, x_hat):
        try:
            return reconstruction_error(x, x_hat)
        except Exception:
            return (x - x_hat).square().mean(dim=(1, 2, 3))

    handed_out = check("1.4", scaffold)
    for candidate in (
        reconstruction_error,
        handed_out,
        lambda x, x_hat: reconstruction_error(x, x_hat),
        functools.partial(reconstruction_error),
        functools.wraps(reconstruction_error)(lambda *args: reconstruction_error(*args)),
        Wrapper(),
        hidden,
        inspect.unwrap(reconstruction_error),  # without the readers of its arguments
        *(
            types.FunctionType(f.__code__, f.__globals__, closure=f.__closure__)
            for f in (reconstruction_error, inspect.unwrap(reconstruction_error))
        ),
    ):
        assert grade("1.4", candidate).status == "not_started"
        assert check("1.4", candidate) is reconstruction_error
        assert "passed" not in capsys.readouterr().out
    x = torch.ones(2, 1, 2, 2)
    assert reconstruction_error(x, x).tolist() == [0, 0]  # it works again


def test_the_reference_class_is_no_answer_however_it_is_used():
    class Heir(ConvAutoencoder):
        pass

    class Holder(nn.Module):
        def __init__(self, latent_dim=20):
            super().__init__()
            self.net = ConvAutoencoder(latent_dim)

        def forward(self, x):
            return self.net(x)

    class Borrower(nn.Module):
        __init__ = nn.Module.__init__
        forward = ConvAutoencoder.forward

    for candidate in (ConvAutoencoder, Heir, Holder, Borrower):
        assert grade("1.2", candidate).status == "not_started"


def test_a_check_of_what_was_handed_out_leaves_the_record_alone(tmp_path):
    check("1.4", lambda x, x_hat: x)
    check("1.4", check("1.4", None))
    statuses = json.loads((tmp_path / ".course-progress.json").read_text())
    assert statuses == {"1.4": "not_started"}
    check("1.4", lambda x, x_hat: x)
    check("1.4", reconstruction_error)
    assert json.loads((tmp_path / ".course-progress.json").read_text()) == {"1.4": "wrong_form"}


def test_strict_mode_raises_and_says_only_what_is_true(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_STRICT", "1")
    with pytest.raises(CheckFailed, match="not started") as failed:
        check("1.4", scaffold)
    assert "goes on with the reference" not in capsys.readouterr().out
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


FILES = {".course-progress.json", ".course-progress.json.lock"}  # beside a notebook


def test_progress_counts_and_survives_a_broken_file(tmp_path, capsys):
    check("1.4", edited("1.4"))
    check("1.5", lambda scores, k=1.0: 0.0)
    capsys.readouterr()
    progress()
    assert "○ ○ ○ ● ✗" in capsys.readouterr().out
    assert json.loads((tmp_path / ".course-progress.json").read_text())["1.5"] == "wrong_value"
    assert {p.name for p in tmp_path.iterdir()} == FILES
    (tmp_path / ".course-progress.json").write_text("{ broken")
    progress()
    check("1.4", edited("1.4"))
    assert "●" in capsys.readouterr().out


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_takes_no_file_costs_no_verdict(code, tmp_path, capsys, monkeypatch):
    """A read-only disk answers unlink with an error, too, even where there is nothing to unlink."""
    check("1.6", None)

    def refuse(*args, **kwargs):
        raise OSError(code, "No space, or no right")

    mine = edited("1.4")
    with monkeypatch.context() as m:
        m.setattr(Path, "write_text", refuse)
        m.setattr(Path, "unlink", refuse)
        assert check("1.4", mine) is mine
        out = capsys.readouterr().out
        assert "passed" in out and out.count("kept until the kernel restarts, not on disk") == 1
        progress()
        assert "○ ○ ○ ● ○" in capsys.readouterr().out
    check("1.5", None)  # the disk is back, and takes what it has missed
    assert "kept until" not in capsys.readouterr().out
    statuses = json.loads((tmp_path / ".course-progress.json").read_text())
    assert statuses == {"1.6": "not_started", "1.4": "passed", "1.5": "not_started"}


def test_a_record_that_cannot_be_replaced_costs_no_verdict(tmp_path, capsys):
    (tmp_path / ".course-progress.json").mkdir()
    check("1.4", edited("1.4"))
    assert "not on disk" in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == FILES


@pytest.mark.parametrize("text", ["[1, 2]", '{"1.4": []}', '{"1.4": null}', "\0", "[" * 100_000])
def test_a_record_of_something_else_is_no_record(text, tmp_path, capsys):
    (tmp_path / ".course-progress.json").write_text(text)
    progress()
    assert "●" not in capsys.readouterr().out.partition("passed")[0].rpartition("\n")[0]
    check("1.4", edited("1.4"))
    assert json.loads((tmp_path / ".course-progress.json").read_text()) == {"1.4": "passed"}


ONE = ("1.4", " 1.4 ", "01.04", "1,4", "Exercise 1.4", "exercise 1.4.", "ex-1-4", "'1.4'", 1.4)


@pytest.mark.parametrize("id", [*ONE, np.float32(1.4)], ids=str)
def test_an_id_is_understood_where_it_is_clear(id, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checks, "_rungs", {})
    assert check(id, edited("1.4")) and hint(id) is None and solution(id) is None
    out = capsys.readouterr().out
    assert "Exercise 1.4," in out and 'hint("1.4")' in out and "reconstruction_error" in out
    assert json.loads((tmp_path / ".course-progress.json").read_text()) == {"1.4": "passed"}
    hint("1.4")
    assert "Hint 2 of 3" in capsys.readouterr().out  # one ladder, however the id is written


@pytest.mark.parametrize("id", [1.1, 1.10, np.float64(2.1)])
def test_a_number_that_could_be_two_exercises_is_asked_for_in_quotes(id):
    for call in (hint, solution, lambda id: check(id, None)):
        with pytest.raises(KeyError) as raised:
            call(id)
        said = str(raised.value)
        assert f'quotes, as in hint("{id:.1f}") or hint("{id:.1f}0")' in said and "\n" not in said


@pytest.mark.parametrize("id", ["9.9", "1.44", 1, "1", "", None, -1.4, 1.44, scaffold, (1, 4)])
def test_what_is_no_id_is_told_how_one_is_written(id):
    with pytest.raises(KeyError) as raised:
        hint(id)
    assert str(raised.value).startswith("no exercise") and 'hint("1.4")' in str(raised.value)


class Held:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


@pytest.mark.parametrize("wrap", [functools.partial, Held, lambda f: Held(f).__call__])
@pytest.mark.parametrize("id", ["1.1", "1.4", "2.4", "3.3", "4.9", "5.6"])
def test_partial_functions_callable_objects_and_methods_are_answers(id, wrap):
    verdict = grade(id, wrap(edited(id)))
    assert verdict.passed, verdict.detail


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


# Exercises whose arguments are numbers, models or functions.
WITHOUT_DATA = "1.1", "2.11", "3.4", "3.5", "4.5", "5.2", "5.3", "5.5", "5.8"
WITHOUT_DATA += ("5.13",)


def spoil(x):
    """Change x in place, if it is data; whether it was."""
    if isinstance(x, torch.Tensor):
        with torch.no_grad():
            x += 1
    elif isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
        np.add(x, 1, out=x, casting="unsafe") if x.dtype != bool else np.logical_not(x, out=x)
    elif isinstance(x, np.ndarray):
        x[:] = x[::-1].copy()
    else:
        return False
    return True


def spoiling(f, name, done):
    """f, which changes the argument of that name in place when it has its result."""
    signature = inspect.signature(f)

    @functools.wraps(f)
    def wrapped(*args, **kwargs):
        out = f(*args, **kwargs)
        out = out.clone() if isinstance(out, torch.Tensor) else out
        done.append(spoil(signature.bind(*args, **kwargs).arguments.get(name)))
        return out

    return wrapped


@pytest.mark.parametrize("id", WRITTEN)
def test_an_edit_of_any_argument_is_named(id):
    right, tried = edited(id), 0
    methods = {
        name: f
        for name, f in (vars(right).items() if isinstance(right, type) else [("", right)])
        if inspect.isfunction(f) and not name.startswith("__")
    }
    for method, f in methods.items():
        for name in inspect.signature(f).parameters:
            done, answer = [], None
            answer = spoiling(f, name, done)
            if method:
                answer = type(right.__name__, (right,), {method: answer})
            verdict = grade(id, answer)
            if any(done):
                tried += 1
                assert verdict.status == "wrong_behaviour", (name, verdict)
                assert f"argument `{name}` in place" in verdict.detail, (name, verdict)
    assert bool(tried) == (id not in WITHOUT_DATA)


@pytest.mark.parametrize("reseed", [np.random.seed, random.seed, torch.manual_seed])
@pytest.mark.parametrize("id", WRITTEN)
def test_a_seed_set_by_any_answer_is_named(id, reseed):
    right = edited(id)

    def before(*args, **kwargs):
        reseed(91)
        return start(*args, **kwargs)

    start = right.__init__ if isinstance(right, type) else right
    answer = functools.wraps(start)(before)
    if isinstance(right, type):
        answer = type(right.__name__, (right,), {"__init__": answer})
    verdict = grade(id, answer)
    assert verdict.status == "wrong_behaviour", verdict
    assert "random" in verdict.detail.split("\n")[0]
