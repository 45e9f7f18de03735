import json
import os
import platform
import subprocess
import sys

import pytest
import torch

from helpers import runtime


def test_importing_helpers_is_light():
    code = "import helpers, sys; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_profile_follows_the_environment(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert runtime.choose(quick=1, full=2) == 2
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    assert runtime.choose(quick=1, full=2) == 1
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    assert runtime.choose(quick=1, full=2) == 1
    monkeypatch.setenv("COURSE_PROFILE", "fast")
    with pytest.raises(ValueError, match="'fast'; it must be 'quick', 'full' or 'smoke'"):
        runtime.profile()


@pytest.mark.parametrize(
    ("profile", "steps", "epochs"), [("full", 6000, 36), ("quick", 2000, 10), ("smoke", 100, 1)]
)
def test_smoke_cuts_trainings_short(monkeypatch, profile, steps, epochs):
    monkeypatch.setenv("COURSE_PROFILE", profile)
    assert runtime.training_length(quick=2000, full=6000) == steps
    assert runtime.training_length(quick=10, full=36) == epochs


def test_profile_is_quick_on_a_cpu(monkeypatch):
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    monkeypatch.setattr(runtime, "device", lambda: torch.device("cpu"))
    assert runtime.profile() == "quick"
    monkeypatch.setattr(runtime, "device", lambda: torch.device("cuda"))
    assert runtime.profile() == "full"


@pytest.mark.parametrize("cores", [1, 2, 4])
def test_torch_gets_all_cores_of_the_quota(monkeypatch, cores):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    try:
        runtime.prepare_torch()
        assert torch.get_num_threads() == cores
    finally:
        torch.set_num_threads(before)


def test_estimate_scales_with_the_speed(tmp_path, monkeypatch):
    table = {"01": {"quick": {"seconds": 60, "steps_per_second": 100}}}
    (tmp_path / "timings.json").write_text(json.dumps(table))
    monkeypatch.setattr(runtime, "TIMINGS", tmp_path / "timings.json")
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    assert runtime.estimate("01", speed=50) == pytest.approx(120)
    assert runtime.estimate("02", speed=50) is None
    monkeypatch.setenv("COURSE_PROFILE", "smoke")  # quick's time would be far too long
    assert runtime.estimate("01", speed=50) is None


def test_probe_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert runtime.probe(seconds=0.05) > 0
    assert torch.equal(torch.rand(1), expected)


def test_preflight_names_what_matters(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # keep this process's threads
    runtime.preflight("01")
    shown = capsys.readouterr().out
    for word in ("Python", "torch", "Threads", "memory", "Profile", "Time"):
        assert word in shown
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    runtime.preflight("01")
    shown = capsys.readouterr().out
    assert "no result means anything" in shown and "not measured yet in the smoke" in shown


# --- the device ----------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """machine("cuda") has a GPU that torch finds; it cannot be used, since there is none here."""
    runtime._chosen.cache_clear()
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def has(*kinds):
        monkeypatch.setattr("torch.cuda.is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: "mps" in kinds)

    yield has
    runtime._chosen.cache_clear()


@pytest.mark.skipif(torch.cuda.is_available(), reason="here torch can use what it finds")
@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_gpu_that_torch_cannot_use_is_named_and_left_alone(kind, machine, capsys):
    machine(kind)
    assert runtime.device().type == "cpu" and runtime.profile() == "quick"
    runtime.preflight("01")
    shown = capsys.readouterr().out
    assert "Device    cpu" in shown and "torch cannot use, so the CPU computes" in shown
    assert "COURSE_DEVICE=cpu" in shown
    assert not torch.cuda.is_available()  # else torch's optimizers would ask it all the same


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_gpu_that_fails_in_the_probe_is_left_alone(error, machine, monkeypatch, capsys):
    """Full with other people's work: two small matrices still found room."""
    machine("cuda")
    runtime._chosen()[:] = [torch.device("cuda"), ""]
    real = runtime.probe

    def probe():
        if runtime.device().type == "cuda":
            raise error("CUDA out of memory. Tried to allocate 20 MiB.\nMore lines")
        return real(seconds=0.05)

    monkeypatch.setattr(runtime, "probe", probe)
    monkeypatch.setattr(runtime, "forked_random", lambda: torch.random.fork_rng([]))
    runtime.preflight("01")
    shown = capsys.readouterr().out
    assert "CUDA out of memory" in shown and "More lines" not in shown
    assert runtime.device().type == "cpu"


def test_an_error_on_the_cpu_is_no_gpus_fault(machine, monkeypatch):
    machine()

    def fails():
        raise RuntimeError("something else")

    monkeypatch.setattr(runtime, "probe", fails)
    with pytest.raises(RuntimeError, match="something else"):
        runtime.preflight("01")


@pytest.mark.parametrize("text", ["cpu", " CPU ", '"cpu"'])
def test_course_device_says_cpu(text, machine, monkeypatch, capsys):
    machine("cuda")
    monkeypatch.setenv("COURSE_DEVICE", text)
    runtime.preflight("01")
    assert runtime.device().type == "cpu" and "GPU" not in capsys.readouterr().out
    assert not torch.cuda.is_available()


@pytest.mark.parametrize(
    ("text", "says"), [("gpu", "it must be cpu, cuda, mps"), ("cuda", "torch finds none here")]
)
def test_course_device_that_is_none_is_one_line(text, says, machine, monkeypatch):
    machine()
    monkeypatch.setenv("COURSE_DEVICE", text)
    with pytest.raises(ValueError, match=says) as raised:
        runtime.device()
    assert "\n" not in str(raised.value)


def test_a_check_asks_no_gpu_that_is_left_alone(machine, monkeypatch):
    """torch.random.fork_rng asks every GPU by itself, and fails on one that cannot be used."""
    machine("cuda")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with runtime.forked_random():
        torch.rand(1)


@pytest.mark.parametrize("threads", [1, 2])
def test_numbers_too_small_to_be_normal_are_zero(threads):
    """In torch's other threads too: a fresh process, where they start after the setting."""
    code = """
from helpers.runtime import prepare_torch
import torch, warnings
warnings.simplefilter("error")
prepare_torch()
print((torch.full((1_000_000,), 1e-30) * 1e-10).count_nonzero().item())
"""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "0"


def test_importing_the_library_leaves_the_numbers_alone():
    """hypothesis, for one, refuses to draw numbers where denormal ones are flushed."""
    code = "import helpers.results.compute, torch; print((torch.ones(1) * 1e-40).item() > 0)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True"


FREED = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in (
    "import psutil, torch; from helpers.runtime import prepare_torch; prepare_torch()",
    "blocks = [torch.zeros(2**18) for _ in range(400)]; held = psutil.Process().memory_info().rss",
    "del blocks[:-1]",  # the last one is at the end of the heap
    "print((held - psutil.Process().memory_info().rss) / 2**20)",
):
    shell.run_cell(cell).raise_error()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="nothing is set for other libraries")
def test_the_end_of_a_cell_gives_back_what_it_freed():
    """Of 400 blocks of 1 MB, which by themselves would stay with the process."""
    command = [sys.executable, "-c", FREED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 300 < float(done.stdout) < 450


def test_an_older_glibc_gets_what_it_takes(monkeypatch):
    """glibc 2.31 refuses a threshold above HEAP_MAX_SIZE / 2, 32 MB (malloc.c); 2.36 does not.

    The trim threshold alone would then leave it at 128 KB for good.
    """
    taken = {}

    class Libc:
        def mallopt(self, what, value):
            if what == runtime.M_MMAP_THRESHOLD and value > 32 * 2**20:
                return 0
            taken[what] = value
            return 1

    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setattr(runtime.platform, "libc_ver", lambda: ("glibc", "2.31"))
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda name: Libc())
    before = torch.get_num_threads()
    try:
        runtime.prepare_torch()
    finally:
        torch.set_num_threads(before)
    assert taken == {runtime.M_MMAP_THRESHOLD: 32 * 2**20, runtime.M_TRIM_THRESHOLD: 2**31 - 1}
