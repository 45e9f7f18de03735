"""What an explorable computes in JavaScript is what the course's Python functions compute.

Run by node; skipped where there is none.
"""

import json
import shutil
import subprocess

import numpy as np
import pytest

from helpers import explorables
from helpers.explorables import page
from helpers.explorables.bayes import elbo_parts
from helpers.thresholds import conformal_p_values

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


@pytest.fixture
def random():
    return np.random.default_rng(0)


@needs_node
def test_threshold(random):
    normal, anomaly = random.lognormal(-4, 0.4, 500), random.lognormal(-3, 0.5, 300)
    it = explorables.threshold(normal, anomaly, thresholds={"first": 0.03, "second": 0.04})
    steps = it.data["thresholds"]
    states = [{"place": int(place)} for place in random.integers(len(steps), size=10)]
    for state, got in zip(states, computed(it, states), strict=True):
        t = got["threshold"]
        assert t == pytest.approx(steps[state["place"]])
        assert got["fpr"] == pytest.approx(np.mean(normal > t), abs=1e-9)
        assert got["tpr"] == pytest.approx(np.mean(anomaly > t), abs=1e-9)
        assert got["false_alarms"] == np.sum(normal > t)


@needs_node
def test_ranks(random):
    calibration = random.integers(0, 12, 19).astype(float)  # with ties
    it = explorables.ranks(calibration)
    states = [
        {"score": float(s), "alpha": float(a)}
        for s, a in zip(random.integers(0, 12, 10), random.choice([0.05, 0.1, 0.4], 10), strict=True)
    ]
    for state, got in zip(states, computed(it, states), strict=True):
        p = conformal_p_values(calibration, np.array([state["score"]]))[0]
        assert got["p"] == pytest.approx(p, abs=1e-9)
        assert got["flagged"] == (p <= state["alpha"])


@needs_node
def test_elbo(random):
    it = explorables.elbo()
    states = [
        {"mu": float(m), "sigma": float(s)}
        for m, s in zip(random.uniform(-3, 3, 10), random.uniform(0.1, 2, 10), strict=True)
    ]
    for state, got in zip(states, computed(it, states), strict=True):
        elbo, kl, log_evidence = elbo_parts(**state, log_joint=np.array(it.data["log_joint"]))
        want = {"elbo": elbo, "kl": kl, "log_evidence": log_evidence}
        assert got == {name: pytest.approx(value, abs=1e-4) for name, value in want.items()}
        assert got["kl"] >= 0


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match="anomaly_scores must hold finite numbers"):
        explorables.threshold([1.0, 2.0], [np.nan], thresholds={"a": 1.5})
    with pytest.raises(ValueError, match="at least one finite threshold"):
        explorables.threshold([1.0], [2.0], thresholds={})


def test_a_script_is_whole_and_closed():
    """Neither imports nor exports are left, and no text of the data ends the script."""
    it = explorables.ranks([1.0, 2.0, 3.0])
    it.data["note"] = "</script><b>"
    html = it.page()
    assert html.count("</script>") == 2
    assert "\nimport " not in html and "\nexport " not in html
