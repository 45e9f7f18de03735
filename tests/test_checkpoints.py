"""A training killed at any moment goes on and ends where an uninterrupted one ends, bit for bit."""

import builtins
import io
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.checkpoints import (
    CheckpointError,
    load_checkpoint,
    restore_training,
    save_checkpoint,
    training_state,
)
from helpers.experiments.module_05 import train_decoder
from helpers.models import OctAutoencoder, freeze, make_decoder, make_encoder
from helpers.runtime import COURSE, set_seed
from helpers.training import Order

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 1, 16, 16), dtype=np.uint8)
# A process of its own, as a notebook's kernel: nothing but the file survives.
SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from test_checkpoints import train
train({path!r}, steps={steps})
"""


def train(path=None, steps=40, every=1, on_checkpoint=None, seed=0, widths=(2, 3), images=IMAGES):
    set_seed(seed)
    cae = OctAutoencoder(freeze(make_encoder(widths)), make_decoder(widths))
    losses = train_decoder(
        cae,
        images,
        steps=steps,
        path=path,
        every=every,
        batch_size=8,
        on_checkpoint=on_checkpoint,
        progress=False,
    )
    return cae, losses


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.values(), b.values(), strict=True))


def stop_at(step):
    def stop(now, losses):
        if now == step:
            raise KeyboardInterrupt

    return stop


@pytest.fixture(scope="module")
def whole():
    cae, losses = train()
    return cae.state_dict(), losses


@pytest.mark.parametrize("step", [1, 3, 17])  # 3 ends an epoch
def test_a_resumed_training_is_the_uninterrupted_one(tmp_path, whole, step):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run.pt", on_checkpoint=stop_at(step))
    cae, losses = train(tmp_path / "run.pt", seed=99)  # another session, other random numbers
    assert losses == whole[1] and len(losses) == 40
    assert equal(cae.state_dict(), whole[0])


def test_steps_since_the_last_checkpoint_are_done_again(tmp_path, whole):
    seen = []

    def crash(now, losses):
        seen.append(now)
        if now == 14:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(tmp_path / "run.pt", every=7, on_checkpoint=crash)
    assert seen == [7, 14]
    assert train(tmp_path / "run.pt", every=7)[1] == whole[1]


def test_killed_at_any_moment(tmp_path, whole):
    """SIGKILL, again and again, at moments that nobody chose, until the training is through."""
    path = tmp_path / "run.pt"
    code = SCRIPT.format(tests=str(Path(__file__).parent), path=str(path), steps=40)
    rng, kills, steps = np.random.default_rng(0), 0, []
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=COURSE)
        if kills < 2:
            _wait_for(process, path, since=steps[-1] if steps else 0)
            time.sleep(rng.uniform(0, 0.05))
            process.kill()
        process.wait()
        kills += process.returncode == -signal.SIGKILL
        steps.append(len(load_checkpoint(path)["losses"]))
        if process.returncode == 0:
            break
    assert kills and steps == sorted(steps) and steps[-1] == 40
    state = load_checkpoint(path)
    assert state["losses"] == whole[1] and equal(state["model"], whole[0])


def _wait_for(process, path, since):
    """Until the process has written a checkpoint of its own, or ended."""
    while process.poll() is None:
        if path.exists() and len(load_checkpoint(path)["losses"]) > since:
            return
        time.sleep(0.05)  # the child needs the processor


@pytest.mark.parametrize("moment", ["save", "fsync", "replace"])
def test_killed_while_writing(tmp_path, whole, monkeypatch, moment):
    """The write stops in the middle, before it is on the disk, or before the renaming."""
    path, count = tmp_path / "run.pt", 0
    target = {"save": (torch, "save"), "fsync": (os, "fsync"), "replace": (os, "replace")}[moment]
    real = getattr(*target)

    def dies(*args):
        nonlocal count
        count += 1
        if count < 5:
            return real(*args)
        if moment == "save":
            args[1].write(b"half a checkpoint")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*target, dies)
        with pytest.raises(KeyboardInterrupt):
            train(path)
    assert len(load_checkpoint(path)["losses"]) == 4
    assert train(path)[1] == whole[1]
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(tmp_path, share):
    path = tmp_path / "run.pt"
    train(path, steps=1)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"run\.pt cannot be read.*Delete it"):
        train(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not a zip", b"\x80\x04."])
def test_file_of_another_kind(tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="another kind of file"):
        load_checkpoint(path)


def test_what_may_not_be_read_is_not_to_be_deleted(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"losses": [1.0]})

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", refuse)  # root may read everything
        with pytest.raises(CheckpointError, match=r"run\.pt cannot be read: Permission") as error:
            load_checkpoint(path)
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory") as other:
        load_checkpoint(tmp_path)
    assert "Delete" not in f"{error.value}{other.value}"


class Evil:
    def __reduce__(self):
        return os.system, ("echo run by the checkpoint",)


def test_no_code_is_run_from_a_file(tmp_path, capfd):
    torch.save({"model": Evil()}, tmp_path / "run.pt")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "run.pt")
    assert "run by" not in capfd.readouterr().out


@pytest.mark.parametrize(
    "other", [{"widths": (2, 4)}, {"images": IMAGES[:20]}, {"widths": (2, 3, 3)}]
)
def test_checkpoint_of_another_training(tmp_path, other):
    path = tmp_path / "run.pt"
    train(path, steps=1)
    with pytest.raises(CheckpointError, match="another training"):
        train(path, **other)


def test_a_foreign_state_is_refused(tmp_path):
    save_checkpoint(tmp_path / "run.pt", {"weights": torch.zeros(3)})
    with pytest.raises(CheckpointError, match="another training"):
        train(tmp_path / "run.pt")
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.pt")


def started(kind, groups=1, **options):
    """A model, its optimizer after one step, and an order: what a checkpoint holds."""
    model = torch.nn.Linear(3, 2)
    parameters = list(model.parameters())
    if groups == 2:
        parameters = [{"params": [p]} for p in parameters]
    optimizer = kind(parameters, lr=0.1, **options)
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    return model, optimizer, Order(23, 8)


ADAM, SGD = torch.optim.Adam, torch.optim.SGD


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    ("saved", "given"),
    [
        ((ADAM,), (SGD,)),
        ((SGD,), (ADAM,)),
        ((ADAM,), (torch.optim.Adamax,)),
        ((ADAM,), (ADAM, 2)),
        ((ADAM, 2), (ADAM,)),
    ],
)
def test_an_optimizer_of_another_kind_is_refused_before_anything_changes(
    tmp_path, saved, given, early
):
    path = tmp_path / "run.pt"
    state = training_state(*started(*saved), [1.0])
    if early:  # files once did not say which optimizer it was
        del state["setting"]["optimizer"]
    save_checkpoint(path, state)
    model, optimizer, order = started(*given)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    groups, place = str(optimizer.state_dict()), order.place
    with pytest.raises(CheckpointError, match="another optimizer"):
        restore_training(path, model, optimizer, order)
    assert equal(model.state_dict(), before)
    assert (str(optimizer.state_dict()), order.place) == (groups, place)


def test_optimizers_whose_states_look_alike_are_told_apart(tmp_path):
    save_checkpoint(tmp_path / "run.pt", training_state(*started(ADAM), [1.0]))
    with pytest.raises(CheckpointError, match="another optimizer"):
        restore_training(tmp_path / "run.pt", *started(torch.optim.RAdam))


def test_an_early_file_that_does_not_name_its_optimizer_is_still_read(tmp_path):
    model, optimizer, order = started(ADAM, 2)
    state = training_state(model, optimizer, order, [1.0])
    del state["setting"]["optimizer"]
    save_checkpoint(tmp_path / "run.pt", state)
    other, fresh, _ = started(ADAM, 2)
    assert restore_training(tmp_path / "run.pt", other, fresh, order) == [1.0]
    assert equal(other.state_dict(), model.state_dict())
    assert str(fresh.state_dict()) == str(optimizer.state_dict())


def test_the_gradient_is_clipped_and_the_encoder_stays(monkeypatch):
    norms = []
    real = torch.nn.utils.clip_grad_norm_

    def spy(parameters, max_norm):
        parameters = list(parameters)
        real(parameters, max_norm)
        norms.append(sum(p.grad.square().sum() for p in parameters if p.grad is not None) ** 0.5)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spy)
    cae, _ = train(steps=3)
    assert len(norms) == 3 and max(norms) <= 1.001
    set_seed(0)
    fresh = make_encoder((2, 3))
    assert equal(cae.encoder.state_dict(), fresh.state_dict())


# --- what a checkpoint can hold -----------------------------------------------------------------


def test_numbers_of_numpy_are_kept_as_pythons(tmp_path):
    path = tmp_path / "run.pt"
    state = {"losses": [np.float64(0.1), np.float32(0.5)], np.int64(3): (np.bool_(True), "a")}
    save_checkpoint(path, state)
    read = load_checkpoint(path)
    assert read == {"losses": [0.1, 0.5], 3: (True, "a")}
    assert type(read["losses"][0]) is float and type(read[3][0]) is bool
    assert type(state["losses"][0]) is np.float64  # the caller's own state stays


def test_a_batch_size_of_numpy_makes_the_same_checkpoint(tmp_path, monkeypatch):
    path, real = tmp_path / "run.pt", train_decoder
    monkeypatch.setitem(
        globals(), "train_decoder", lambda *a, **k: real(*a, **k | {"batch_size": np.int64(8)})
    )
    train(path, steps=4)
    assert len(train(path, steps=6)[1]) == 6


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Path("a"), r"\['more'\]\[1\] is a pathlib\..*Path"),
        (np.zeros(3), r"\['more'\]\[1\] is a numpy\.ndarray"),
        (np.datetime64("2026-11-28"), "numpy.datetime64"),
        (lambda: 0, "builtins.function"),
        ({Path("a"): 1}, "a key of .* is a pathlib"),
    ],
)
def test_what_cannot_be_kept_is_named_and_the_old_checkpoint_stays(tmp_path, value, says):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"losses": [1.0]})
    with pytest.raises(CheckpointError, match=says) as error:
        save_checkpoint(path, {"losses": [2.0], "more": [1, value]})
    assert "Delete" not in str(error.value)
    assert load_checkpoint(path) == {"losses": [1.0]}
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_a_file_that_cannot_be_read_back_does_not_replace_the_old_one(tmp_path, monkeypatch):
    path, real = tmp_path / "run.pt", torch.save
    save_checkpoint(path, {"losses": [1.0]})

    def half(state, file):
        real(state, file)
        if not isinstance(file, io.BytesIO):  # a file, on a disk that loses what it is given
            file.truncate(100)

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(CheckpointError, match="could not be read back"):
        save_checkpoint(path, {"losses": [2.0]})
    assert load_checkpoint(path) == {"losses": [1.0]}


@pytest.mark.parametrize(("numbers", "limit"), [(10**6, 65536), (10, 100)])
def test_a_full_disk_leaves_the_old_checkpoint_and_no_draft(tmp_path, numbers, limit):
    """torch meets it while it writes; a small state is first written when the file is flushed."""
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"losses": [1.0]})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="Is the disk full"):
            save_checkpoint(path, {"weights": torch.zeros(numbers)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_checkpoint(path) == {"losses": [1.0]}
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_checkpoint(tmp_path / "nowhere" / "run.pt", {"losses": [1.0]})
