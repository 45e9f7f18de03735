#!/usr/bin/env bash
# torch 2.15.0 (PyPI's Linux wheel), on the CPU.
#
# A training of several steps under ONE torch.autocast context hardly learns, without a warning or an
# error. The context keeps each weight's bfloat16 copy until it ends (its cache is on by default).
# An optimizer's step changes the float32 weight in place, and the copy is not made again: every
# forward pass uses the weights that the first one had. With a context for each step, or with
# cache_enabled=False, the same training learns. Layers that autocast leaves in float32, such as
# normalisation, do learn, so that the loss of a real network falls a little and nothing looks broken.
#
# Seen: with one context the loss of the eighth step is that of the first, to the last digit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q torch==2.15.0 numpy==2.2.6
cat >"$folder/train.py" <<'PYTHON'
from contextlib import nullcontext

import torch
from torch.nn.functional import mse_loss


def losses(around_all, around_each):
    torch.manual_seed(0)
    model, x, found = torch.nn.Linear(4, 4), torch.randn(64, 4), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with around_all():
        for _ in range(8):
            optimizer.zero_grad()
            with around_each():
                loss = mse_loss(model(x).float(), x)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return found


def cast(**options):
    return lambda: torch.autocast("cpu", torch.bfloat16, **options)


ways = {
    "one context": losses(cast(), nullcontext),
    "one without a cache": losses(cast(cache_enabled=False), nullcontext),
    "one a step": losses(nullcontext, cast()),
}
print("learns:", {name: found[-1] < 0.5 * found[0] for name, found in ways.items()}, end="; ")
print("one context, all losses equal:", len(set(ways["one context"])) == 1)
PYTHON
seen=$("$folder/env/bin/python" "$folder/train.py")
expected="learns: {'one context': False, 'one without a cache': True, 'one a step': True}; "
[ "$seen" = "${expected}one context, all losses equal: True" ] ||
  { echo "changed: $seen" >&2; exit 1; }
echo "$seen"
