"""The long tables: resumable, never half-written, shared by runs, and read for the data in use."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

from helpers import plotting
from helpers import results as reader
from helpers.results import check, compute, entries
from helpers.results.tables import TABLES, Table
from helpers.runtime import COURSE


@pytest.fixture
def folder(tmp_path, monkeypatch, drawn):
    monkeypatch.setattr(reader, "FOLDER", tmp_path)
    monkeypatch.setattr(entries, "FOLDER", tmp_path)
    monkeypatch.setenv("COURSE_DATA", str(drawn("mnist")))
    monkeypatch.setenv("COURSE_SOURCE", "sample")
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    monkeypatch.setitem(TABLES, "small", Table("mnist", square, [{"n": n} for n in (1, 2, 3)]))
    return tmp_path


def square(n):
    return {"square": n * n, "source": "sample"}


def missing(name):
    return [task.parameters for task in entries.tasks(name) if not task.stored]


def store(n, name="small", **values):
    entry = entries.compute(square, {"n": n}, {})
    entries.keep(name, entry | {"values": entry["values"] | values})


def stored(name="small"):
    """{parameters as text: square}"""
    found = reader.read_entries(name)
    return {json.dumps(e["parameters"]): e["values"]["square"] for e in found}


def results(monkeypatch, *arguments):
    """Run `make results` in this process. -> exit status"""
    monkeypatch.setattr(sys, "argv", ["make results", *arguments])
    with pytest.raises(SystemExit) as stop:
        compute.main()
    return stop.value.code


# the tables and their files


def test_an_entry_carries_what_is_needed_to_judge_it(folder):
    entry = entries.compute(square, {"n": 3}, {})
    assert entry["values"]["square"] == 9
    assert set(entry) == {"parameters", "values", "profile", "seconds", "machine", "commit"}


def test_only_missing_entries_are_computed(folder, monkeypatch, capsys):
    store(2, square=-1)
    assert missing("small") == [{"n": 1}, {"n": 3}]
    assert results(monkeypatch, "small") == 0
    assert stored() == {'{"n": 1}': 1, '{"n": 2}': -1, '{"n": 3}': 9}
    assert "Of 3 entries, to be computed: 2 entries left" in capsys.readouterr().out
    assert results(monkeypatch, "small", "--again") == 0
    assert stored()['{"n": 2}'] == 4


def test_nothing_is_computed_in_the_smoke_profile(folder, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    assert results(monkeypatch, "small") == 2
    assert "COURSE_PROFILE is smoke" in capsys.readouterr().err
    assert not reader.read_entries("small")


def test_another_profile_is_another_entry(folder, monkeypatch):
    store(2)
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert len(missing("small")) == 3


def test_entries_stand_in_the_table_s_order_and_replace_older_ones(folder):
    for n in (3, 1, 3):
        store(n)
    written = json.loads((folder / "small.json").read_text())
    assert [e["parameters"]["n"] for e in written] == [1, 3]
    assert not list(folder.glob("*.part"))


def test_a_write_that_is_cut_off_leaves_the_table_whole(folder, monkeypatch):
    store(1)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", lambda *a: (_ for _ in ()).throw(OSError("cut")))
        with pytest.raises(OSError, match="cut"):
            store(2)
    assert stored() == {'{"n": 1}': 1}


def test_a_half_written_file_of_a_killed_run_is_in_nobody_s_way(folder, monkeypatch):
    store(1)
    (folder / "small.part").write_text('[\n {\n  "parameters": {"n": 2')
    assert results(monkeypatch, "small") == 0
    assert sorted(stored().values()) == [1, 4, 9]


def test_a_damaged_table_is_named_and_not_overwritten(folder):
    store(1)
    whole = (folder / "small.json").read_text()
    (folder / "small.json").write_text(whole[:-20])
    with pytest.raises(ValueError, match=r"small\.json is damaged"):
        store(2)
    assert (folder / "small.json").read_text() == whole[:-20]


def test_reader_prefers_the_data_in_use_and_says_what_it_gives(folder):
    store(1)
    store(1, square=100, source="real")
    assert reader.read_table("small", source="sample", profile="full").square.tolist() == [1]
    assert reader.read_table("small", source="real", profile="full").source.tolist() == ["real"]
    with pytest.raises(FileNotFoundError, match="make results"):
        reader.read_table("none", source="real", profile="quick")


def test_means_over_the_seeds_of_an_entry():
    rows = [(8, 0, 0.5, "a"), (8, 1, 0.7, "b"), (2, 0, 0.9, "c")]
    table = pd.DataFrame(rows, columns=["width", "seed", "auroc", "picture"])
    means = reader.over_seeds(table, "width")
    assert means.index.tolist() == [8, 2]
    assert means.auroc.tolist() == pytest.approx([0.6, 0.9])
    assert means.seeds.tolist() == [2, 1] and set(means) == {"auroc", "seeds"}


@pytest.mark.parametrize("name", [name for name in TABLES if name != "small"])
def test_committed_tables_are_complete(name):
    """Every entry was computed in the quick profile, on the real data or on the table's own."""
    source = TABLES[name].source or "real"
    found = [e for e in reader.read_entries(name) if e["values"]["source"] == source]
    quick = [e for e in found if e["profile"] == "quick"]
    assert [e["parameters"] for e in quick] == TABLES[name].entries
    assert all(e["commit"] != "unknown" and e["seconds"] > 0 for e in quick)


def test_a_table_about_one_source_ignores_the_environment(folder, monkeypatch):
    def named(n, source):
        return {"n": n, "source": source}

    monkeypatch.setenv("COURSE_SOURCE", "real")
    monkeypatch.setitem(TABLES, "fixed", Table("mnist", named, [{"n": 1}], source="sample"))
    assert missing("fixed") == [{"n": 1}]
    assert results(monkeypatch, "fixed") == 0
    assert missing("fixed") == []
    table = reader.read_table("fixed", source="real", profile="full")
    assert table.source.tolist() == ["sample"]


def test_an_error_loses_its_own_entry_only(folder, monkeypatch, capsys):
    def fragile(n):
        return square(n // (n - 2))

    monkeypatch.setitem(TABLES, "small", TABLES["small"]._replace(function=fragile))
    assert results(monkeypatch, "small") == 1
    assert missing("small") == [{"n": 2}]
    captured = capsys.readouterr()
    assert "small, n 2: failed; 1 entry left" in captured.out
    assert "small, n 2 failed:" in captured.err and "ZeroDivisionError" in captured.err


def test_the_environment_of_the_run_holds_for_an_entry_and_no_longer(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "own")
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    with entries.course_variables({"COURSE_DATA": "the run's", "COURSE_PROFILE": "full"}):
        assert os.environ["COURSE_DATA"] == "the run's"
        assert os.environ["COURSE_PROFILE"] == "full"
    assert os.environ["COURSE_DATA"] == "own" and "COURSE_PROFILE" not in os.environ


def test_time_left_is_that_of_like_entries_at_this_run_s_pace(folder, monkeypatch):
    seeded = [{"n": n, "seed": s} for s in (0, 1) for n in (1, 2)]
    monkeypatch.setitem(TABLES, "small", Table("mnist", square, seeded))
    for n, seconds in ((1, 100), (2, 400)):
        entry = entries.compute(square, {"n": n}, {}) | {"parameters": {"n": n, "seed": 0}}
        entries.keep("small", entry | {"seconds": seconds})
    first, second = entries.tasks("small")[2:]
    left = entries.TimeLeft([first, second], workers=1)
    assert left.seconds() == 500 and str(left) == "2 entries left, about 8 min"
    assert entries.TimeLeft([first, second], workers=2).seconds() == 400  # the longest
    left.finish(first, seconds=200)  # this machine takes twice as long
    assert str(left) == "1 entry left, about 13 min"
    left.finish(second)
    assert left.seconds() == 0


def test_time_left_of_what_was_never_computed(folder):
    tasks = entries.tasks("small")
    left = entries.TimeLeft(tasks, workers=1)
    assert str(left) == "3 entries left, how long is not known yet"
    left.finish(tasks[0], seconds=5000)
    assert str(left) == "2 entries left, about 2 h 47 min"


# comparing


def test_the_range_of_several_seeds_is_widened_by_their_spread():
    assert check.seed_range([0.6, 0.8]) == pytest.approx((0.6 - 0.1 * 2**0.5, 0.8 + 0.1 * 2**0.5))
    assert check.seed_range([-0.5, -0.5]) == pytest.approx((-0.505, -0.495))
    assert check.seed_range([-80]) == pytest.approx((-88, -72))


def test_each_number_is_compared_with_its_own_range():
    like = [{"a": 1.0, "b": [1, 2, 3], "source": "x"}, {"a": 1.2, "b": [3, 2, 1], "source": "x"}]
    agrees, text = check.compare({"a": 1.3, "b": [2, 2], "source": "y"}, like)
    assert agrees and text == "2 of 2 numbers lie in the range of 2 seeds"
    agrees, text = check.compare({"a": 1.4, "b": [2, 2]}, like)
    assert not agrees and text.endswith("outside: a is 1.4, not 0.8586 to 1.341")
    agrees, text = check.compare({"a": 1.1, "b": [5, 5]}, like)
    assert not agrees and "outside: b is 5" in text
    assert not check.compare({"a": np.nan, "b": [2]}, like)[0]
    for other in ({"a": 1.1, "b": [2], "c": 1}, {"a": 1.1}):
        agrees, text = check.compare(other, like)
        assert not agrees and "in the table or here only: " in text


def test_one_number_in_twenty_may_lie_outside():
    like = [{f"n{i}": 1.0 for i in range(40)}]
    off = {f"n{i}": 2.0 for i in range(2)}
    assert check.compare(like[0] | off, like)[0]
    assert not check.compare(like[0] | off | {"n2": 2.0}, like)[0]


def test_check_agrees_disagrees_and_writes_nothing(folder, monkeypatch, capsys):
    for n in (1, 2, 3):
        store(n)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert results(monkeypatch, "small", "--check", "--seed", "0") == 0
    said = capsys.readouterr().out
    assert "drawn with --seed 0: 1 entry left" in said and " agrees: 1 of 1 numbers lie in" in said
    monkeypatch.setitem(
        TABLES,
        "small",
        TABLES["small"]._replace(function=lambda n: square(n) | {"square": 1.2 * n**2}),
    )
    assert results(monkeypatch, "small", "--check", "--seed", "0") == 1
    said = capsys.readouterr().out
    assert "DISAGREES: 0 of 1 numbers lie in the range of 1 seed; outside: square is " in said
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_tenth_is_drawn_by_the_seed_among_what_is_stored(folder, monkeypatch):
    many = [{"n": n} for n in range(40)]
    monkeypatch.setitem(TABLES, "small", Table("mnist", square, many))
    assert check.tenth(entries.tasks("small"), 0) == []
    for n in range(5, 36):
        store(n)
    tasks = entries.tasks("small")
    draws = [check.tenth(tasks, seed) for seed in range(20)]
    assert draws[3] == check.tenth(tasks, 3) and draws[3] != draws[4]
    assert {len(draw) for draw in draws} == {4}
    places = {task.place for draw in draws for task in draw}
    assert places <= set(range(5, 36)) and len(places) > 20
    monkeypatch.setitem(TABLES, "small", TABLES["small"]._replace(repeatable=False))
    assert check.tenth(tasks, 0) == []


# runs that are killed, stopped, or not alone

SCRIPT = """
import sys, time
from pathlib import Path
from helpers import results
from helpers.results import compute, entries
from helpers.results.tables import TABLES, Table

folder = Path(sys.argv.pop(1))
results.FOLDER = entries.FOLDER = folder

def waits_at_two(n):
    with (folder / "calls").open("a") as calls:
        calls.write(f"{n}\\n")
    while n == 2 and not (folder / "go").exists():
        time.sleep(0.05)
    return {"square": n * n, "source": "sample"}

TABLES["small"] = Table("mnist", waits_at_two, [{"n": n} for n in (1, 2, 3, 4)])
if __name__ == "__main__":
    compute.main()
"""


@pytest.fixture
def start(folder, tmp_path_factory):
    """start(*arguments) runs `make results small` in a process of its own. -> Popen"""
    script = tmp_path_factory.mktemp("script") / "run.py"
    script.write_text(SCRIPT)
    started = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, script, folder, "small", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=COURSE,
            env=os.environ | {"PYTHONPATH": str(COURSE), "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        return process

    yield run
    (folder / "go").touch()  # workers that outlived their run end
    for process in started:
        process.kill()


def calls(folder):
    path = folder / "calls"
    return sorted(int(n) for n in path.read_text().split()) if path.exists() else []


def wait_for(condition, process):
    """Until condition() holds; the process has to be alive meanwhile."""
    while not condition():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on_where_it_was(folder, start, jobs):
    first = start("--jobs", str(jobs))
    done = {'{"n": 1}'} if jobs == 1 else {'{"n": 1}', '{"n": 3}', '{"n": 4}'}
    wait_for(lambda: set(stored()) == done and 2 in calls(folder), first)
    # of claims that of the entry under way; an entry is kept a moment before its claim is given up
    wait_for(lambda: len(list(folder.glob("*.lock"))) == 2, first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert set(stored()) == done
    (folder / "go").touch()
    second = start("--jobs", str(jobs))
    said, _ = second.communicate()
    assert second.returncode == 0, said
    assert f"Of 4 entries, to be computed: {4 - len(done)} entr" in said
    assert sorted(stored().values()) == [1, 4, 9, 16]
    assert calls(folder) == [1, 2, 2, 3, 4]  # only the one under way is lost
    assert {path.suffix for path in folder.glob("small*")} == {".json", ".lock"}
    assert len(list(folder.glob("*.lock"))) == 1


def test_ctrl_c_ends_cleanly(folder, start):
    process = start()
    wait_for(lambda: 2 in calls(folder), process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate()
    assert process.returncode == 130
    assert "Stopped. What was computed is kept" in said and "Traceback" not in said
    assert stored() == {'{"n": 1}': 1}


def test_two_runs_at_once_share_the_work(folder, start):
    first = start()
    wait_for(lambda: 2 in calls(folder), first)
    second = start()
    said, _ = second.communicate()
    assert second.returncode == 0 and "in another run: 1." in said, said
    (folder / "go").touch()
    said, _ = first.communicate()
    assert first.returncode == 0 and "in another run: 2." in said, said
    assert calls(folder) == [1, 2, 3, 4] and sorted(stored().values()) == [1, 4, 9, 16]


# a Dask cluster


def on_worker(n):
    if n == 3:
        raise ValueError("three")
    seen = {name: os.environ.get(name) for name in ("COURSE_DATA", "COURSE_PROFILE")}
    time.sleep(0.3)  # or one worker takes all
    return square(n) | seen | {"pid": os.getpid()}


def dies(n):
    os._exit(1)


@pytest.fixture(scope="module")
def scheduler():
    """The address of a cluster on loopback: two workers of one thread, started before the run."""
    distributed = pytest.importorskip("distributed", reason="make dev installs Dask")
    dask = pytest.importorskip("dask")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(**options, host="127.0.0.1") as cluster,
    ):
        yield cluster.scheduler_address


def test_two_workers_on_loopback_share_the_entries(folder, monkeypatch, scheduler, capsys):
    table = Table("mnist", on_worker, [{"n": n} for n in range(1, 7)])
    monkeypatch.setitem(TABLES, "small", table)
    assert results(monkeypatch, "small", "--scheduler", scheduler) == 1
    assert missing("small") == [{"n": 3}]
    captured = capsys.readouterr()
    assert "0 entries left" in captured.out and "ValueError: three" in captured.err
    found = reader.read_entries("small")
    values = [entry["values"] for entry in found]
    assert len({v["pid"] for v in values}) == 2 and os.getpid() not in {v["pid"] for v in values}
    assert {v["COURSE_DATA"] for v in values} == {os.environ["COURSE_DATA"]}
    assert {v["COURSE_PROFILE"] for v in values} == {"quick"}
    assert all(", 1 threads," in entry["machine"] for entry in found)


def test_a_worker_that_dies_ends_the_run(folder, monkeypatch, scheduler):
    table = Table("mnist", dies, [{"n": 1}])
    monkeypatch.setitem(TABLES, "small", table)
    said = results(monkeypatch, "small", "--scheduler", scheduler)
    assert said.startswith("A worker was lost: KilledWorker") and "the same command" in said
    assert not list(folder.glob("*.0.json.lock"))


def test_one_worker_is_a_cluster(folder, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="make dev installs Dask")

    def elsewhere(n):
        return square(n) | {"here": threading.current_thread() is threading.main_thread()}

    monkeypatch.setitem(TABLES, "small", Table("mnist", elsewhere, [{"n": 1}]))
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(processes=False, protocol="tcp", **options) as cluster:
        assert results(monkeypatch, "small", "--scheduler", cluster.scheduler_address) == 0
    assert reader.read_entries("small")[0]["values"]["here"] is False


def test_a_worker_with_several_threads_is_refused(folder, monkeypatch, capsys):
    distributed = pytest.importorskip("distributed", reason="make dev installs Dask")
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
    with distributed.LocalCluster(processes=False, protocol="tcp", **options) as cluster:
        assert results(monkeypatch, "small", "--scheduler", cluster.scheduler_address) == 2
    assert "has 2 threads" in capsys.readouterr().err.splitlines()[-1]


def test_a_worker_without_the_course_is_named(folder, tmp_path, monkeypatch, capsys):
    distributed = pytest.importorskip("distributed", reason="make dev installs Dask")
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "__init__.py").touch()
    with distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        worker = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            stderr=subprocess.DEVNULL,
        )
        try:
            cluster.wait_for_workers(1)
            assert results(monkeypatch, "small", "--scheduler", address) == 2
        finally:
            worker.terminate()
            worker.wait()
    assert "cannot import the course" in capsys.readouterr().err.splitlines()[-1]


def test_a_scheduler_that_does_not_answer_is_named(folder, monkeypatch, capsys):
    pytest.importorskip("distributed", reason="make dev installs Dask")
    monkeypatch.setattr("helpers.results.cluster.PATIENCE", 2)
    assert results(monkeypatch, "small", "--scheduler", "tcp://127.0.0.1:1") == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err


def test_a_missing_extra_is_named(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "helpers.results.cluster", raising=False)
    assert results(monkeypatch, "small", "--scheduler", "tcp://127.0.0.1:8786") == 2
    assert "--scheduler needs Dask" in capsys.readouterr().err


# figures of tables with several seeds


def test_the_bottleneck_figure_draws_means_and_a_dot_for_each_seed():
    columns = ["test_mse", "auroc", "low", "high", "pca_mse", "pca_auroc"]
    rows = [
        (d, s, *(0.1 * d + 0.05 * s + 0.01 * i for i in range(6))) for s in (0, 1) for d in (2, 4)
    ]
    figure = plotting.bottleneck(pd.DataFrame(rows, columns=["latent_dim", "seed", *columns]))
    for axis, i in zip(figure.axes, (0, 1), strict=True):
        means = [0.1 * d + 0.025 + 0.01 * i for d in (2, 4)]
        np.testing.assert_allclose(axis.lines[0].get_xydata(), np.c_[[2, 4], means])
        assert len(axis.collections[0].get_offsets()) == 4


def test_the_beta_figure_draws_means_and_the_seeds_range():
    rows = [(b, 2, s, 10 * b + s) for s in (0, 2) for b in (1, 4)]
    table = pd.DataFrame(rows, columns=["beta", "latent_dim", "seed", "kl"])
    figure = plotting.beta_sweep(table.assign(reconstruction=0, active=1, auroc=0.5))
    axis = figure.axes[1]
    np.testing.assert_allclose(axis.lines[0].get_ydata(), [11, 41])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1", "4"]
    edges = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == (10, 42)


@pytest.mark.parametrize("seeds", [3, 5])
def test_lines_of_seeds_keep_apart_from_the_next_name(seeds):
    rows = [(name, s, 0.5, 0.4, 0.6, "all") for name in "ab" for s in range(seeds)]
    table = pd.DataFrame(rows, columns=["rung", "seed", "auroc", "low", "high", "group"])
    axis = plotting.seed_intervals(table, "rung", "group").axes[0]
    places = [bars.get_offsets()[:, 1] for bars in axis.collections if len(bars.get_offsets()) > 0]
    first, second = (p for p in places if len(p) == seeds)
    inside = np.diff(first)
    assert second.min() - first.max() > 1.4 * inside.max()
