#!/usr/bin/env bash
# torch 2.15.0 (PyPI's Linux wheel, built for CUDA), on a machine without a GPU.
#
# torch.manual_seed(0) looks like one assignment to a generator. As no other device has been
# initialised, it also queues a call for each kind that may come later (CUDA, XPU and MTIA), with the
# text of the present call stack, source lines included, so that a later error can say where the call
# was made. The stack is formatted at every call, also where no device ever comes: seeding costs
# hundreds of times what the CPU's generator costs by itself, and more the deeper the caller stands,
# as it does in a notebook or in pytest.
#
# Seen: three stacks formatted by each call; 0.35 ms at the top of a script and 1.0 ms forty calls
# deeper, both 0.0015 ms for torch.default_generator.manual_seed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q torch==2.15.0 numpy==2.2.6
cat >"$folder/seed.py" <<'PY'
import time
import traceback

import torch

assert torch.version.cuda and not torch.cuda.is_available(), "for a CUDA build without a GPU"
formatted = []
original = traceback.format_stack


def counted(*args, **kwargs):
    stack = original(*args, **kwargs)
    formatted.append(stack)
    return stack


def deeper(calls, work):
    return deeper(calls - 1, work) if calls else work()


def seconds(seed):
    start = time.perf_counter()
    for _ in range(200):
        seed(0)
    return time.perf_counter() - start


def compared():
    slow, fast = seconds(torch.manual_seed), seconds(torch.default_generator.manual_seed)
    return slow, slow / fast


compared()  # the first call of a process imports more
top, ratio = deeper(0, compared)
deep, _ = deeper(40, compared)
traceback.format_stack = counted
deeper(40, lambda: torch.manual_seed(0))
stacks = len(formatted)
torch.default_generator.manual_seed(0)
assert stacks and len(formatted) == stacks, formatted
assert ratio > 50 and deep > 1.5 * top, (ratio, deep / top)
print(f"stacks formatted by one torch.manual_seed: {stacks}; by default_generator.manual_seed: 0")
PY
"$folder/env/bin/python" "$folder/seed.py"
