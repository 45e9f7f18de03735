"""What machine this is, how fast, and how large the course should be on it."""

import ctypes
import itertools
import json
import platform
import random
import time
from functools import cache
from importlib.metadata import version

import numpy as np
import psutil
import torch
from IPython import get_ipython
from torch import nn

from helpers import threads
from helpers.banner import Banner
from helpers.places import COURSE as COURSE  # for those who import it from here
from helpers.places import RESULTS, setting

TIMINGS = RESULTS / "timings.json"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
SMOKE = "smoke: few images and short trainings, so no result means anything (unset COURSE_PROFILE)"


DEVICES = ("cpu", "cuda", "mps")


def device():
    """The device that the course computes on: cuda, else mps (Apple), else cpu.

    COURSE_DEVICE decides; else a GPU is tried first, since torch also finds those that it cannot
    use. ValueError for a COURSE_DEVICE that is none, or that torch does not find.
    """
    return _chosen()[0]


@cache
def _chosen():
    """[the device, why it is not the GPU that torch finds]: a list, which `to_cpu` changes."""
    asked = setting("COURSE_DEVICE").lower()
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if asked and not found.get(asked):
        why = "torch finds none here" if asked in found else f"it must be {', '.join(DEVICES)}"
        raise ValueError(f"COURSE_DEVICE is {asked!r}: {why}. Unset it, or set it to cpu")
    name = asked or next(name for name, is_there in found.items() if is_there)
    return without_gpu("") if name == "cpu" else tried(torch.device(name))


def tried(gpu):
    """[the GPU, ""], or [the CPU, why] where it cannot multiply two small matrices."""
    try:
        x = torch.ones(4, 4, device=gpu)
        (x @ x).sum().item()  # waits for the result: errors come late
    except (RuntimeError, AssertionError) as error:  # also torch's OutOfMemoryError
        return without_gpu(error)
    return [gpu, ""]


def without_gpu(error):
    """[the CPU, the first line of what torch says about the GPU].

    torch's optimizers ask a GPU that it finds even for tensors on the CPU, and stop where it fails:
    for this process there is none any more.
    """
    torch.cuda.is_available = lambda: False
    return [torch.device("cpu"), next(iter(str(error).splitlines()), "")]


def why_not_the_gpu():
    """What torch says about a GPU that it finds and cannot use; "" where there is no such."""
    return _chosen()[1]


def to_cpu(error):
    """Go on with the CPU for the rest of this process."""
    _chosen()[:] = without_gpu(error)


def forked_random():
    """A context that puts torch's random states back: of the CPU and of the device in use.

    By itself torch asks each GPU that it finds, and fails on one that it cannot use.
    """
    return torch.random.fork_rng([torch.cuda.current_device()] if device().type == "cuda" else [])


def profile():
    """ "quick", "full" or "smoke". COURSE_PROFILE decides; else a CPU gets quick, a GPU full.

    smoke is quick with few images and trainings that are too short to learn much: for tests, and
    for a dry run on the machines of a class.
    """
    chosen = setting("COURSE_PROFILE").lower() or ("quick" if device().type == "cpu" else "full")
    if chosen not in ("quick", "full", "smoke"):
        raise ValueError(f"COURSE_PROFILE is {chosen!r}; it must be 'quick', 'full' or 'smoke'")
    return chosen


def choose(*, quick, full):
    """The value for the profile in use: choose(quick=5, full=20). Smoke takes that of quick."""
    return full if profile() == "full" else quick


def training_length(*, quick, full):
    """How long to train in the profile in use, in steps or epochs: as `choose`, but smoke takes a
    twentieth of quick's, at least one."""
    return max(1, quick // 20) if profile() == "smoke" else choose(quick=quick, full=full)


def set_seed(seed):
    """Seed Python, NumPy and torch on all devices."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (libraries still draw from it)
    torch.manual_seed(seed)


def prepare_torch():
    """Set torch up for training small networks on a CPU. To be called before it starts threads.

    Threads: all cores that this process may use (`helpers.threads`). They flush denormal numbers to
    zero: Adam's averages for units that no longer learn shrink to such, and a CPU computes with
    them so slowly that module 1's epochs take three times as long from the second one on.

    Memory: what a step frees stays with the process for the next one. By default glibc gives large
    blocks back to the kernel at once and asks for them anew, and the kernel zeroes each page again:
    two fifths of module 3's time at full size. At the end of a notebook's cell all that is free
    goes back. Of other C libraries nothing is known, and nothing is set.
    """
    np.finfo(np.float32), np.finfo(np.float64)  # older numpy measures these late, and would warn
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads.usable()[-1])
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        # larger than any tensor of a training step; what is larger still goes back at once
        if not libc.mallopt(M_MMAP_THRESHOLD, choose(quick=32, full=256) * 2**20):
            libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)  # glibc 2.31 takes no more
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        if shell := get_ipython():
            shell.events.register("post_execute", give_back)


def give_back():
    """Return what is free in glibc's heap to the kernel."""
    ctypes.CDLL(None).malloc_trim(0)


def probe(seconds=0.5):
    """Training steps per second of a small convolutional network: this machine's speed."""
    with forked_random():
        net = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.Flatten(),
            nn.Linear(1568, 784),
        ).to(device())
        x = torch.rand(64, 1, 28, 28, device=device())
        optimizer = torch.optim.Adam(net.parameters())

        def step():
            optimizer.zero_grad()
            (net(x) - x.flatten(start_dim=1)).square().mean().backward()
            optimizer.step()
            return net[0].bias.sum().item()  # waits for the device

        for _ in range(3):
            step()
        start = time.perf_counter()
        for steps in threads.paced(itertools.count(start=1)):
            step()
            if (elapsed := time.perf_counter() - start) > seconds:
                return steps / elapsed


def timings():
    """Measured runs of the notebooks: {"01": {"quick": {"seconds", "steps_per_second", ...}}}."""
    return json.loads(TIMINGS.read_text()) if TIMINGS.exists() else {}


def estimate(module, speed):
    """Seconds that the module's notebook takes at `speed` (from `probe`), or None if unmeasured."""
    measured = timings().get(module, {}).get(profile())
    return measured and measured["seconds"] * measured["steps_per_second"] / speed


def preflight(module):
    """Show what this notebook runs on and how long it will take here. Sets up torch and seeds."""
    prepare_torch()
    set_seed(0)
    memory = psutil.virtual_memory()
    try:
        speed = probe()
    except RuntimeError as error:
        if device().type == "cpu":
            raise
        to_cpu(error)  # full with other people's work, for one
        prepare_torch()
        speed = probe()
    seconds = estimate(module, speed)
    if seconds is None:
        duration = f"not measured yet in the {profile()} profile"
    else:
        duration = f"about {max(1, round(seconds / 60))} min of computing for the whole notebook"
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn"))
    chip = torch.cuda.get_device_name() if device().type == "cuda" else platform.machine()
    rows = {
        "Versions": f"Python {platform.python_version()}, {versions}",
        "Device": f"{device().type} ({chip}), "
        f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB memory free",
        "Threads": f"{torch.get_num_threads()} just now, of {threads.usable()[-1]}: as many as pay "
        "off, tried while training (OMP_NUM_THREADS=1 fixes them)",
        "Profile": SMOKE if profile() == "smoke" else f"{profile()} (COURSE_PROFILE overrides)",
        "Time": f"{duration}, from a probe of {speed:.0f} training steps a second",
    }
    if why := why_not_the_gpu():
        rows["GPU"] = (
            f"there is one that torch cannot use, so the CPU computes: {why} "
            "(COURSE_DEVICE=cpu says so from the start)"
        )
    if memory.available < 1.5e9:
        rows["Memory"] = "less than 1.5 GB is free: close other notebooks (Kernel > Shut Down All)"
    Banner("This machine", rows=rows).show()
