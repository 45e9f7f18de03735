"""The glossary: each term is defined once, where it is first used, and listed on its page."""

import re

import nbformat
import pytest

from helpers.authoring import glossary, parts
from helpers.authoring.build import COURSE, lessons, module_parts, read_source

# Terms that the course owes an explanation.
WANTED = """
Wilson interval, bootstrap, exchangeable, false-positive rate, FPR at 95 % TPR, ROC curve,
AUROC, average precision, Beta distribution, beta-binomial distribution, eval mode, inference
mode, logits, softmax, perplexity, channels_last, latent space, code, bottleneck, transposed
convolution, stride, padding, residual connection, batch normalization, calibration set,
conformal p-value, quantile, prior, posterior, KL divergence, Jensen's inequality, ELBO, nat,
expectation, reparametrisation, importance sampling, amortisation gap, SSIM, Mahalanobis
distance, precision, recall, Dice, temperature, calibration error, energy score, selective
classification, coverage, risk, one-cycle schedule, weight decay, transfer learning, leakage,
receptive field, PRO, permutation test
"""
MISSING = 55  # how many of them no module defines yet; may only shrink, to none


@pytest.fixture(scope="module")
def modules():
    return {path.stem: module_parts(path) for path in lessons()}


def test_terms_are_defined_once_and_before_they_are_used(modules):
    assert glossary.troubles(modules) == []


def test_the_terms_that_learners_asked_for_are_defined(modules):
    wanted = {" ".join(term.split()) for term in WANTED.split(",")}
    defined = {d.term for m, own in modules.items() for d in glossary.definitions(m, own)}
    missing = wanted - defined
    assert len(missing) <= MISSING, sorted(missing)


def test_the_page_lists_all_and_leads_to_each(modules):
    page = (COURSE / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert glossary.page(modules) in page, "make build"
    for path in lessons():
        text = "".join(c.source for c in read_source(path) if c.cell_type == "markdown")
        for name in re.findall(rf"notebooks/{path.stem}\.ipynb#([\w-]+)\)", page):
            assert text.count(f'<a id="{name}"') == 1


# --- on made-up modules ---------------------------------------------------------------------------

QUOTE = "> **{}.** What it means,\n> in two lines.\n"


def made(*texts, **metadata):
    """The parts of a module of these markdown cells, with the metadata on the last."""
    cells = [nbformat.v4.new_markdown_cell("# Title that speaks of the ELBO", id="title")]
    cells += [nbformat.v4.new_markdown_cell(t, id=f"cell-{i}") for i, t in enumerate(texts)]
    cells[-1].metadata.update(metadata)
    return parts.split(cells, "01", {})


def troubles(*texts, **metadata):
    return glossary.troubles({"01_topic": made(*texts, **metadata)})


def test_a_definition_is_found_with_its_place():
    text = f"## 3 · Bounds\n\nText.\n\n{QUOTE.format('Wilson interval')}\nMore.\n\n> a quotation"
    (found,) = glossary.definitions("01_topic", made(text))
    assert (found.term, found.text) == ("Wilson interval", "What it means, in two lines.")
    assert (found.cell, found.heading, found.name) == ("cell-0", "Bounds", "def-wilson-interval")
    page = glossary.page({"01_topic": made(text)})
    assert "**Wilson interval**" in page and "[Module 1, Bounds]" in page
    assert "(../notebooks/01_topic.ipynb#def-wilson-interval)" in page
    anchored = glossary.anchored(text)
    assert f"\n> {parts.anchor('def-wilson-interval')}**Wilson interval.** What" in anchored
    assert anchored.replace(parts.anchor("def-wilson-interval"), "") == text


def test_the_page_is_sorted():
    page = glossary.page({"01_topic": made(*map(QUOTE.format, ("stride", "AUROC", "code")))})
    assert re.findall(r"^\*\*(.+)\*\*", page, re.MULTILINE) == ["AUROC", "code", "stride"]


@pytest.mark.parametrize(
    "text",
    [
        "The stride is 2.",
        "Two strides.",
        "Stride comes first.",
        f"Here stride stands in the same cell.\n\n{QUOTE.format('stride')}",
    ],
)
def test_a_term_used_before_its_definition_is_refused(text):
    assert len(found := troubles(text, QUOTE.format("padding"), QUOTE.format("stride"))) >= 1
    assert "cell-0 uses 'stride' before" in found[-1]


@pytest.mark.parametrize(
    "text",
    [
        "A bestride word, a stride-like one, `stride` in code, $stride$ in formulae.",
        "## Stride\n\nA heading says what is to come.",
        f"{QUOTE.format('stride')}\nNow stride is known.",
        "[elsewhere](https://example.org/stride)",
    ],
)
def test_what_is_no_early_use_is_let_pass(text):
    definition = [] if "> **stride" in text else [QUOTE.format("stride")]
    assert troubles(text, *definition) == []


def test_terms_within_terms_and_capitals():
    both = [QUOTE.format("average precision"), QUOTE.format("precision")]
    assert troubles("The title may.", both[0], "Average precision is one number.", both[1]) == []
    assert len(troubles("Precision.", *both)) == 1
    assert troubles("A pro and a con.", QUOTE.format("PRO")) == []
    assert len(troubles("PRO is a measure.", QUOTE.format("PRO"))) == 1


def test_a_word_may_mean_something_else():
    assert troubles(QUOTE.format("padding"), "Read the code.", other_sense="code") == []
    cells = made("Read the code.", QUOTE.format("code"))
    cells[0].cells[1].metadata["other_sense"] = "code"
    assert glossary.troubles({"01_topic": cells}) == []


def test_a_term_defined_twice_is_refused():
    (found,) = troubles(QUOTE.format("stride"), QUOTE.format("stride"))
    assert found == "'stride' is defined twice: in cell-0 and in cell-1"
