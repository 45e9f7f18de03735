#!/usr/bin/env bash
# torch 2.15.0 (PyPI's Linux wheel), its OpenMP backend.
#
# torch.set_num_threads is neither a setting of the process nor one of the calling thread. Called in a
# thread, it changes that thread and all threads that are started afterwards. Threads that have
# computed or asked before, the main thread among them, keep the number that they had. So a worker that
# calls set_num_threads(1), to leave the cores to others, also slows down every thread that is started
# later (a pool, a server's handlers), and a pool that is running already does not hear of a call in
# the main thread.
#
# Seen: main thread at 3; a thread sets 1 and has 1; the main thread still has 3; a new thread has 1.
# Then the main thread sets 2: it has 2 and a new thread 2, but a thread from before still has 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q torch==2.15.0 numpy==2.2.6
cat >"$folder/threads.py" <<'PYTHON'
from concurrent.futures import ThreadPoolExecutor as Pool

import torch

asked = torch.get_num_threads


def modest():
    torch.set_num_threads(1)
    return asked()


def in_a_new_thread():
    with Pool(1) as pool:
        return pool.submit(asked).result()


torch.set_num_threads(3)
with Pool(1) as worker:
    seen = [asked(), worker.submit(modest).result(), asked(), in_a_new_thread()]
    torch.set_num_threads(2)
    seen += [asked(), in_a_new_thread(), worker.submit(asked).result()]
print(*seen)
PYTHON
seen=$("$folder/env/bin/python" "$folder/threads.py")
[ "$seen" = "3 1 3 1 2 2 1" ] || { echo "changed: $seen" >&2; exit 1; }
echo "main 3, worker sets 1: worker 1, main 3, new thread 1; main sets 2: main 2, new thread 2, worker 1"
