"""The bench on a few pictures: the sources' networks, and one tiny run of each part."""

import json
import subprocess

import nbformat
import numpy as np
import pytest
import torch

from helpers.authoring.bench import __main__ as bench
from helpers.authoring.bench import measure, report
from helpers.authoring.bench.contender import Course
from helpers.authoring.bench.sources import SOURCES, Loop
from helpers.places import COURSE

# shape of a picture, and numbers in the network: weights and biases counted on paper
NETWORKS = {
    "01": ((1, 28, 28), 160 + 4640 + 100_416 + 1300 + 1344 + 100_384 + 4624 + 145),
    "02": ((1, 28, 28), 176 + 4672 + 2 * 156_900 + 158_368 + 8208 + 32 + 257),
    "03": ((1, 64, 64), 352 + 18_560 + 73_984 + 1_048_704 + 1_056_768 + 101_632 + 33),
    "04": ((3, 32, 32), 72_080 + 4_097_000 + 4_100_096 + 72_019),
}


@pytest.fixture
def sample(monkeypatch, drawn):
    """The contenders work on the sample of this data set."""

    def use(name):
        monkeypatch.setenv("COURSE_SOURCE", "sample")
        monkeypatch.setenv("COURSE_DATA", str(drawn(name)))

    return use


@pytest.mark.parametrize("module", NETWORKS)
def test_networks_are_those_that_the_sources_describe(module):
    shape, numbers = NETWORKS[module]
    network = SOURCES[module].network()
    assert sum(p.numel() for p in network.parameters()) == numbers
    output = network(torch.zeros(2, *shape))
    assert (output[0] if module == "02" else output).shape == (2, *shape)


def test_the_encoder_of_source_5_learns_nothing_and_compresses_nothing():
    encoder, decoder = SOURCES["05"].network()
    assert not any(p.requires_grad for p in encoder.parameters())
    assert all(p.requires_grad for p in decoder.parameters())
    x = torch.zeros(1, 1, 128, 128)
    code = encoder(x)
    assert code.shape == (1, 256, 8, 8) and code.numel() == x.numel()
    assert decoder(code).shape == x.shape


@pytest.mark.parametrize("module", ["01", "02"])
def test_a_source_learns_by_its_loop(module):
    shape, _ = NETWORKS[module]
    images = torch.randint(64, (128, *shape), dtype=torch.uint8).numpy()
    loop, errors = Loop(module, images, folder=None), []
    for _ in range(5):
        loop.train(loop.take(range(128)))
        with torch.no_grad():
            x = torch.from_numpy(images) / 255
            errors.append(SOURCES[module].loss(loop.model(x), x).item())
    assert errors[-1] < errors[0]


@pytest.mark.parametrize("module", NETWORKS)
def test_the_course_trains_by_its_own_loop(module, tmp_path):
    shape, _ = NETWORKS[module]
    np.save(tmp_path / "pictures.npy", np.zeros((64, *shape), np.uint8))
    course, shares = Course(module, tmp_path), []

    def clock(f):
        shares.append(f)
        return f

    before = [p.clone() for p in course.model.parameters()]
    course.train(course.take(range(64)), clock)
    assert len(shares) > 1
    pairs = zip(before, course.model.parameters(), strict=True)
    assert not all(torch.equal(*pair) for pair in pairs)


# the objective of module 2 and the files of module 5 have ways of their own; module 1 is below
@pytest.mark.parametrize(("module", "data"), [("02", "mnist"), ("05", "oct")])
def test_training_is_measured(module, data, sample):
    sample(data)
    options = {"pictures": 2, "rounds": 2, "threads": [1]}
    course, source = measure.training({"course": COURSE}, module=module, **options)
    assert (course["contender"], source["contender"]) == ("course", "source")
    for row in (course, source):
        assert row["threads"] == 1 and row["peak_mb"] > 100 and row["gflop"] > 0
        assert 0 < row["data_share"] < 1
        assert row["images_per_second"] == pytest.approx(1000 / row["seconds"][1])
        least = 1000 * row["gflop"] / row["matmul_gflops"]
        assert row["of_limit"] == pytest.approx(row["seconds"][1] / least)
    assert course["ratio"] == 1 and source["ratio"] == source["seconds"][1] / course["seconds"][1]
    if module in NETWORKS:
        assert source["parameters"] == NETWORKS[module][1]


def test_what_helpers_sets_for_torch_reaches_no_source(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")  # as `import helpers` has done in this process
    assert "GOMP_SPINCOUNT" not in measure.environment(COURSE)
    assert measure.environment(COURSE, 2)["OMP_NUM_THREADS"] == "2"


def test_a_contender_that_fails_says_why(tmp_path):
    contender = measure.Contender(COURSE, "source", "01", tmp_path)
    with pytest.raises(RuntimeError, match=r"pictures\.npy"):
        contender.ask("about", n=1)
    contender.close()


def test_whole_epochs_end_with_a_test_error(sample):
    sample("mnist")
    options = {"pictures": 10**9, "rounds": 2, "threads": [None], "test": True}
    course, source = measure.training({"course": COURSE}, module="01", **options)
    assert 0 < course["mse"] < 0.1 and 0 < source["mse"] < 0.1


def test_a_busy_process_is_measured(sample):
    sample("mnist")
    quiet, busy = measure.beside_busy({"course": COURSE}, pictures=64, rounds=2)
    assert quiet["ratio"] == 1 and busy["ratio"] == busy["seconds"][1] / quiet["seconds"][1]


def test_a_classifier_is_measured(sample):
    sample("cifar10")
    (row,) = measure.classifier({"course": COURSE}, rounds=1, profile="smoke")
    assert len(row["accuracy"]) == 1 and 0.4 < row["accuracy"][0] <= 1


@pytest.fixture
def course(tmp_path):
    """A course of one notebook: imports, a section that waits, one that does not."""
    new = nbformat.v4
    cells = [
        new.new_code_cell("import time", id="setup"),
        new.new_code_cell("pause = 0.3", id="preflight"),
        new.new_markdown_cell("## 1 · Wait"),
        new.new_code_cell("time.sleep(pause)"),
        new.new_code_cell("time.sleep(pause)"),
        new.new_markdown_cell("## 2 · Go on"),
        new.new_code_cell("1 + 1"),
    ]
    (tmp_path / "solutions").mkdir()
    nbformat.write(new.new_notebook(cells=cells), tmp_path / "solutions" / "01_small.ipynb")
    return tmp_path


def test_notebooks_are_measured_by_section(course):
    rows = measure.notebooks({"course": course, "older": course}, module="01", rounds=1)
    seconds = {(row["section"], row["contender"]): row["seconds"][1] for row in rows}
    sections = ["setup", "preflight", "1 · Wait", "2 · Go on", "all"]
    assert [title for title, name in seconds if name == "older"] == sections
    assert 0.6 < seconds["1 · Wait", "course"] <= seconds["all", "course"]
    assert seconds["2 · Go on", "course"] < 0.6
    assert all(row["peak_mb"] > 10 for row in rows if row["section"] == "all")


def test_imports_are_measured(course):
    rows = measure.imports({"course": course, "older": course}, module="01", rounds=2)
    assert [row["contender"] for row in rows] == ["course", "older"]
    assert all(0 < row["seconds"][1] < 1 for row in rows)


def test_quartiles_and_ratios():
    rows = measure.compared({"course": [1.0, 2.0, 3.0], "source": [2.0, 4.0, 9.0]})
    assert rows["course"]["seconds"] == [1.5, 2, 2.5]
    assert rows["source"]["ratio"] == 2 and rows["source"]["ratios"] == [2, 2, 2.5]


def test_an_older_commit_is_unpacked_or_missed_in_one_line(tmp_path, capsys):
    assert measure.unpacked("0" * 40, tmp_path) is None
    assert len(capsys.readouterr().out.splitlines()) == 1
    git = ["git", "-C", COURSE, "rev-parse", "HEAD"]
    if subprocess.run(git, capture_output=True).returncode:
        pytest.skip("no git repository: git clone")
    assert (measure.unpacked("HEAD", tmp_path) / "helpers" / "training.py").exists()


def test_command_says_how_long_it_takes_and_keeps_what_was_measured(
    tmp_path, monkeypatch, capsys, course
):
    monkeypatch.setattr(bench, "COURSE", course)
    out = tmp_path / "bench.json"
    bench.main(["--module", "01", "--imports", "--quick", "--against", "0" * 40, "--out", str(out)])
    printed = capsys.readouterr().out
    assert printed.startswith("1 parts, about ") and "compared without it" in printed
    assert list(kept := json.loads(out.read_text())) == ["imports 01"]
    assert {"machine", "commit", "torch", "date", "rows"} == set(kept["imports 01"])
    monkeypatch.setattr(report, "PATH", out)
    rows = [line for line in report.summary().splitlines() if line.startswith("| imports 01 | ")]
    assert len(rows) == 1 and "| course |" in rows[0]
    assert kept["imports 01"]["commit"] in report.summary()


def test_every_part_is_a_function_and_has_a_duration():
    todo = bench.parts(bench.KINDS, bench.TRAINING, quick=False)
    assert {kind for kind, _ in todo} == set(bench.KINDS) == set(bench.MINUTES)
    assert len(todo) == 3 * 5 + 3


def test_the_page_shows_what_was_measured():
    page = (COURSE / "docs" / "speed.md").read_text(encoding="utf-8")
    assert report.summary() in page
