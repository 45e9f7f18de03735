"""Runs what an explorable computes in JavaScript, by node."""

import json
import shutil
import subprocess

import pytest

from helpers.explorables import page

needs_node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
RUN = """
const { compute } = await import(process.argv[1]);
const { states, data } = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(states.map((state) => compute(state, data))));
"""


def computed(explorable, states):
    """compute(state, data) of the explorable's script for each state."""
    script = (page.HERE / f"{explorable.name}.mjs").as_uri()
    run = f"(async () => {{{RUN}}})()"
    text = json.dumps({"states": states, "data": explorable.data})
    out = subprocess.run(
        ["node", "-e", run, script], input=text, capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)
