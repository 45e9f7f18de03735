import nbformat
import pytest

from helpers.authoring.build import lessons, make_notebook, read_cells, read_source, sources
from helpers.authoring.claims import statements, unheld
from helpers.claims import claim


def test_a_true_claim_is_printed_and_a_false_one_stops(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    claim("the AE beats PCA", 0.1 < 0.2)
    assert capsys.readouterr().out == "holds: the AE beats PCA\n"
    with pytest.raises(AssertionError, match=r"The text says: the AE beats PCA\. This run"):
        claim("the AE beats PCA", 0.2 < 0.1)


def test_nothing_is_claimed_of_trainings_cut_short(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    claim("the AE beats PCA", False)
    assert capsys.readouterr().out == "not judged (smoke): the AE beats PCA\n"


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_claims_are_in_the_solution_alone(path):
    cells = read_source(path)
    claims = {cell.id for cell in cells if "claim" in cell.metadata.get("tags", [])}
    used = {cell.id for cell in cells if "claim(" in cell.source}
    assert used == claims and claims, "a module without claims, or one outside of a claim cell"
    exercise, solution = (
        {cell.id for cell in make_notebook(cells, solved=solved).cells} for solved in (False, True)
    )
    assert solution - exercise == claims


# --- texts that speak of results ------------------------------------------------------------------


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_texts_about_results_are_held_by_cells(path):
    names = [id for id, _ in unheld(read_cells(path))]
    assert not names, "make build ARGS=--claims"


@pytest.mark.parametrize(
    "text",
    [
        "The error of rotated digits is higher than that of upright ones.",
        "The AUROC is 0.97.",
        "The network beats PCA.",
        "It flags 12 % of the normal digits.",
        "Most of the digits lie above the threshold.",
        "The denoiser gains 4.5 dB.",
        "In 19 of 20 runs it wins.",
        "The second curve is lower.",
        "The small network is better, the large one worse.",
        "One class is found twice as often.",
        "| score | AUROC |\n|---|---|\n| error | 0.83 |",
        "Text without numbers.\n\n- a list says that it is the best",
        "An image is 28×28 pixels, and the error 0.004.",
    ],
)
def test_a_statement_about_a_result_is_found(text):
    assert len(statements(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Images have 28×28 pixels, feature maps 16×14×14.",
        "See exercise 1.4, exercises 1.4 and 1.5, section 10 and module 3.",
        "Baldi and Hornik (1989) proved it; others followed in 2014.",
        "## 5 · From error to decision",
        "It takes 1.5 minutes to train, 20 min on a phone.",
        "We draw 64 digits.",
        "The 95 % interval tells how far to trust it.",
        "Which of the two is higher?",
        "`lr=0.01` is the default, and $p \\le 0.05$ flags.",
        "$$x > 0.97$$",
        "[paper](https://example.org/0.97)",
        "It was shown before (Bates et al., arXiv 2104.08279).",
        "> **AUROC.** The probability that an anomaly scores higher than a normal image.",
        "### Exercise 1.4\n\nWrite it so that a higher score is more anomalous than 0.5.",
        "## Further reading\n\n- the best book, with 99 % of it all",
    ],
)
def test_what_is_no_result_is_left_alone(text):
    assert statements(text) == []


def cell(id, source, *tags, **metadata):
    make = nbformat.v4.new_code_cell if tags else nbformat.v4.new_markdown_cell
    return make(source, id=id, metadata={"tags": list(tags)} | metadata)


TITLE = cell("title", "# Module 1, which is better than most")


def names(*cells):
    return [id for id, _ in unheld([TITLE, *cells])]


def test_a_claim_or_an_answer_holds_the_text_before_it():
    text, other = cell("text", "A beats B."), cell("other", "C beats D.")
    assert names(text) == ["text"]
    for tag in ("claim", "seen"):
        assert names(text, cell("plain", "Text."), cell("c", "claim(...)", tag)) == []
        assert names(cell("c", "claim(...)", tag), text) == ["text"]
        assert names(text, other, cell("c", "claim(...)", tag)) == ["text"]
    assert names(text, cell("c", "print(1)", "check")) == ["text"]


def test_a_text_may_name_what_holds_it_or_why_nothing_has_to():
    holder = cell("claim-a", "claim(...)", "claim")
    assert names(holder, cell("text", "A beats B.", held_by="claim-a")) == []
    assert names(cell("text", "A beats B.", no_result="arithmetic on paper")) == []
    ((id, found),) = unheld([TITLE, holder, cell("text", "A beats B.", held_by="claim-a, claim-b")])
    assert id == "text" and "claim-b" in found[-1] and "claim-a" not in found[-1]
