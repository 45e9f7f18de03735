#!/usr/bin/env bash
# pytest-xdist 3.8.0 with pytest 9.2.0: --dist loadgroup no longer keeps the tests of an xdist_group
# mark on one worker. No warning, no error; with pytest 9.1.1 it does.
#
# A worker writes the group behind the test's id by setting item._nodeid. pytest 9.2 keeps the id in
# another attribute, so the scheduler sees ids without groups and hands tests out one by one. Module
# and session fixtures are then made on each worker: a fixture of 450 s took a test run 450 s longer.
#
# Seen, groups of four tests (of two) on more than one worker: pytest 9.1.1 0, pytest 9.2.0 2.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/test_groups.py" <<'PY'
import os
import time

import pytest

GROUPS = [pytest.param(i, marks=pytest.mark.xdist_group(f"group{i // 4}")) for i in range(8)]


@pytest.mark.parametrize("number", GROUPS)
def test_one(number):
    time.sleep(0.2)
    with open(os.environ["SEEN"], "a") as file:
        print(number // 4, os.environ["PYTEST_XDIST_WORKER"], file=file)
PY
for version in 9.1.1 9.2.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install -qq --disable-pip-version-check "pytest==$version" pytest-xdist==3.8.0
  (cd "$work" && SEEN="$work/seen-$version" "$work/$version/bin/python" -m pytest -q -n 2 \
    --dist loadgroup -p no:cacheprovider test_groups.py >"$work/log-$version")
  grep -q "8 passed" "$work/log-$version"
done
torn() { sort -u "$work/seen-$1" | cut -d' ' -f1 | uniq -d | wc -l; }
found="pytest 9.1.1 $(torn 9.1.1), pytest 9.2.0 $(torn 9.2.0)"
echo "pytest-xdist 3.8.0, groups on more than one worker: $found"
[ "$found" = "pytest 9.1.1 0, pytest 9.2.0 2" ]
