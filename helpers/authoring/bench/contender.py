"""One contender, in a process of its own: python contender.py KIND [MODULE FOLDER]

It answers commands, one JSON line each, and sleeps in between, so that contenders are measured in
turn. "course" imports the `helpers` that PYTHONPATH names, which may be of any commit, and calls
what its notebooks call. "source" imports nothing of the course; "limit" multiplies matrices.
"""

import importlib
import inspect
import json
import os
import resource
import sys
import time
from contextlib import suppress

MIXED = "03", "04"  # trained in mixed precision, as module 5 is
BATCH_SIZES = {"01": 64, "02": 128, "03": 128, "04": 64, "05": 32}  # of the course's full profile


class Course:
    """The course's training at the source's sizes, by its own network, loop and settings."""

    def __init__(self, module, folder):
        import helpers  # noqa: F401  (first of all, as in the notebooks)
        from helpers.runtime import preflight

        preflight(module)
        from helpers import models, training

        with suppress(ImportError):  # of a commit without it
            precision = importlib.import_module("helpers.precision")
            precision.uses_bfloat16()  # its probe, once in a process, is no part of what is counted
        self.images, self.batch_size = pictures(folder), BATCH_SIZES[module]
        self.model = {
            "01": models.ConvAutoencoder,
            "02": models.ConvVAE,
            "03": models.DeepAutoencoder,
            "04": models.ColourAutoencoder,
            "05": lambda: models.OctAutoencoder(
                models.freeze(models.make_encoder()), models.make_decoder()
            ),
        }[module]()
        if module == "05":
            self.fit = self.decoder_fit
            return
        options = {"weight_decay": 1e-5 if module == "01" else 0}
        options = {"optimizer": training.adam(self.model, **options), "progress": False}
        if module == "02":
            options["objective"] = training.negative_elbo
        if module in MIXED and "mixed" in inspect.signature(training.fit).parameters:
            options["mixed"] = True
        self.fit = lambda part: training.fit(
            self.model, part, epochs=1, batch_size=self.batch_size, **options
        )

    def decoder_fit(self, part):
        try:
            from helpers.experiments.module_05 import train_decoder
        except ImportError:  # before November 2026
            from helpers.checkpoints import train_decoder
        train_decoder(self.model, part, steps=-(-len(part) // self.batch_size), progress=False)

    def take(self, places):
        return self.images if len(places) == len(self.images) else self.images[places]

    def train(self, part, clock=None):
        """One pass over the pictures; `clock`, where given, wraps slicing and `as_input`."""
        if clock is None:
            self.fit(part)
            return
        import numpy as np

        from helpers.training import as_input

        class Clocked(np.ndarray):
            __getitem__ = clock(np.ndarray.__getitem__)

        modules = [m for name, m in sys.modules.items() if name.startswith("helpers.")]
        owners = [m for m in modules if getattr(m, "as_input", None) is as_input]
        for owner in owners:
            owner.as_input = clock(as_input)
        self.fit(np.asarray(part).view(Clocked))
        for owner in owners:
            owner.as_input = as_input


def pictures(folder):
    """The module's pictures, uint8 (N, C, H, W), read from the disk as they are asked for."""
    import numpy as np

    return np.load(f"{folder}/pictures.npy", mmap_mode="r")


def rounds(trainer):
    """slice_of(n): seconds and page faults of one pass over the next n pictures."""
    import numpy as np

    rng, order = np.random.default_rng(0), []

    def slice_of(n, share=False):
        nonlocal order
        n = min(n, len(trainer.images))
        if len(order) < n:
            order = rng.permutation(len(trainer.images))
        places, order = np.sort(order[:n]), order[n:]
        data, clock = trainer.take(places), Clock()
        faults, start = minor_faults(), time.perf_counter()
        trainer.train(data, clock if share else None)
        seconds = time.perf_counter() - start
        steps = -(-n // trainer.batch_size)
        answer = {"seconds": seconds, "pictures": n}
        answer["faults_per_step"] = (minor_faults() - faults) / steps
        return answer | ({"data_share": clock.seconds / seconds} if share else {})

    return slice_of


class Clock:
    """Wraps functions, and adds up the seconds that they take; one inside another counts once."""

    def __init__(self):
        self.seconds, self.running = 0.0, False

    def __call__(self, function):
        def clocked(*args, **options):
            if self.running:
                return function(*args, **options)
            self.running, start = True, time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                self.seconds += time.perf_counter() - start
                self.running = False

        return clocked


def minor_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def about(trainer, n):
    """Size of the network, and floating-point operations a picture in training. Also warms up.

    n : pictures to train on, at most a batch
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    batch = trainer.take(range(min(n, trainer.batch_size)))
    with FlopCounterMode(display=False) as counter:
        trainer.train(batch)
    return {
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "gflop": counter.get_total_flops() / len(batch) / 1e9,
        "batch_size": trainer.batch_size,
        "threads": torch.get_num_threads(),
    }


def test_error(trainer, path):
    """Mean squared error of the pictures of a file, in [0, 1], by the trained network."""
    import numpy as np
    import torch

    model, images = trainer.model.eval(), np.load(path)
    device = next(model.parameters()).device
    with torch.inference_mode():
        parts = [torch.from_numpy(part).to(device) / 255 for part in np.array_split(images, 20)]
        squares = sum((model(x) - x).square().sum().item() for x in parts)
    return {"mse": squares / images.size}


def classifier(seed):
    """Module 4's classifier as its notebook trains it: seconds, and accuracy on cats and dogs."""
    import helpers  # noqa: F401
    from helpers.runtime import preflight

    preflight("04")
    from helpers.training import accuracy

    try:
        from helpers.experiments import module_04
    except ImportError:  # before November 2026
        module_04 = importlib.import_module("helpers.sweeps.module_04")
    parts = module_04.roles()
    start = time.perf_counter()
    model = module_04.classifier(parts.classifier, seed)[0]
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": accuracy(model, parts.test.images, parts.test.labels)}


def products(seconds=0.5, side=1024):
    """Floating-point operations a second, in 1e9, of a product of float32 matrices."""
    import torch

    a, b = torch.rand(2, side, side)
    torch.mm(a, b)
    start, n = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        torch.mm(a, b)
        n += 1
    return {"gflop_per_second": 2 * side**3 * n / elapsed / 1e9}


def prepare(module, folder):
    """Write the module's pictures for all contenders, and as files where its source has files."""
    import numpy as np
    from PIL import Image
    from sources import SOURCES

    from helpers.datasets import load

    names = {"01": "mnist", "02": "mnist", "03": "mednist", "04": "cifar10", "05": "oct"}
    options = {"source": "sample", "size": 128} if module == "05" else {}
    splits = load(names[module], **options)
    part = splits["all"].of_class("Hand") if module == "03" else splits["train"]
    np.save(f"{folder}/pictures.npy", part.images)
    if "test" in splits:
        np.save(f"{folder}/test.npy", splits["test"].images)
    if suffix := SOURCES[module].suffix:
        for i, picture in enumerate(part.images):
            Image.fromarray(picture[0]).save(f"{folder}/{i:06}{suffix}")
    return {"pictures": len(part), "source": part.source}


def commands(kind, module="", folder=""):
    """What this contender answers to, {name: function}."""
    if kind == "limit":
        return {"products": products}
    if kind == "prepare":
        return {"prepare": lambda: prepare(module, folder)}
    if kind == "classifier":
        return {"classifier": classifier}
    if kind == "source":
        from sources import Loop

        trainer = Loop(module, pictures(folder), folder)
    else:
        trainer = Course(module, folder)
    return {
        "about": lambda n: about(trainer, n),
        "slice": rounds(trainer),
        "test": lambda path: test_error(trainer, path),
        "memory": lambda: {
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            // (1024 if sys.platform == "linux" else 1024**2)  # KiB, elsewhere bytes
        },
    }


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # banners and progress bars do not come between the answers
    known = commands(*sys.argv[1:])
    for line in sys.stdin:
        name, options = json.loads(line)
        print(json.dumps(known[name](**options)), file=answers)


if __name__ == "__main__":
    main()
