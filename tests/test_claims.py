import pytest

from helpers.authoring.build import make_notebook, read_source, sources
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


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_claims_are_in_the_solution_alone(path):
    cells = read_source(path)
    claims = {cell.id for cell in cells if "claim" in cell.metadata.get("tags", [])}
    used = {cell.id for cell in cells if "claim(" in cell.source}
    assert used == claims and claims, "a module without claims, or one outside of a claim cell"
    exercise, solution = (
        {cell.id for cell in make_notebook(cells, solved=solved).cells} for solved in (False, True)
    )
    assert solution - exercise == claims
