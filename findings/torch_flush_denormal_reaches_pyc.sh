#!/usr/bin/env bash
# torch 2.15.0 (PyPI's Linux wheel) and CPython, on x86-64.
#
# torch.set_flush_denormal(True), which can speed up a training on a CPU, sets a mode
# of the processor for the calling thread. Python's compiler runs in that mode as well: a constant below
# 2.2e-308 in a module that is imported afterwards becomes 0.0, and 0.0 is what goes into the module's
# .pyc. Later processes load that file, which never call torch, and have 0.0 too, until the source
# changes. So one notebook can change what a guard such as `max(x, 5e-324)` does in other programs.
#
# Seen: 5e-324 before; 0.0 in the process that flushes; 0.0 in a later one without torch; 5e-324 again
# once __pycache__ is gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q torch==2.15.0 numpy==2.2.6
cd "$folder"
unset PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX
python="$folder/env/bin/python"
echo "TINY = 5e-324" >guard.py
say="import guard; print(guard.TINY)"
before=$("$python" -c "$say")
rm -r __pycache__
flushing=$("$python" -c "import torch; assert torch.set_flush_denormal(True); $say")
later=$("$python" -c "$say")
rm -r __pycache__
anew=$("$python" -c "$say")
seen="before $before, flushing $flushing, later without torch $later, without the .pyc $anew"
[ "$seen" = "before 5e-324, flushing 0.0, later without torch 0.0, without the .pyc 5e-324" ] ||
  { echo "changed: $seen" >&2; exit 1; }
echo "$seen"
