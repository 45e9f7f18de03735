"""Interactive figures that need no kernel: they run in the browser, in a notebook and on the site.

Each is a small JavaScript module, NAME.mjs, with two functions: compute(state, data) gives the
numbers, render({model, el}) draws them. The Python function of the same name prepares the data.
What is displayed is one HTML output, in which a static image stands where scripts may not run.
"""

from helpers.explorables.bayes import elbo
from helpers.explorables.confidence import bootstrap, logits, reliability
from helpers.explorables.frames import (
    beta_explorer,
    latent_explorer,
    residual_explorer,
    sample_quiz,
    share_explorer,
    traversal_explorer,
)
from helpers.explorables.images import convolution, shapes, ssim
from helpers.explorables.ladder import ladder_explorer
from helpers.explorables.latent import amortisation, decoder
from helpers.explorables.page import Explorable
from helpers.explorables.risk import risk_explorer
from helpers.explorables.scores import ranks, threshold
from helpers.explorables.sorted import scan_explorer, score_explorer

__all__ = [
    "Explorable",
    "amortisation",
    "beta_explorer",
    "bootstrap",
    "convolution",
    "decoder",
    "elbo",
    "ladder_explorer",
    "latent_explorer",
    "logits",
    "ranks",
    "reliability",
    "residual_explorer",
    "risk_explorer",
    "sample_quiz",
    "scan_explorer",
    "score_explorer",
    "shapes",
    "share_explorer",
    "ssim",
    "threshold",
    "traversal_explorer",
]
