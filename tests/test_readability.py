"""The measure of prose: what counts as a sentence and a word, in each kind of file."""

import json

import pytest

from helpers.authoring.readability import files, measures, prose, sentences, words_of

TEXT = """\
# A heading is no sentence

First a sentence. Then, e.g. here, another one! See [the page](https://example.org/a.b) of it.

- a list holds
  one sentence
- or two of them. This is the second.

| a | table |
|---|---|

```python
x = 1  # This is code. It is left out.
```

```{note}
A note holds prose too.
```

> **Quoted.** It is read, `x.y()` and $a = b$ are one word each.
"""


def test_sentences():
    assert [" ".join(words) for words in sentences(TEXT)] == [
        "First a sentence",
        "Then □ here another one",
        "See the page of it",
        "a list holds one sentence",
        "or two of them",
        "This is the second",
        "A note holds prose too",
        "It is read □ and □ are one word each",
    ]


def test_measures():
    found = [["The", "AE's", "code", "□", "12"], ["it"] * 30]
    assert words_of(found)[:3] == ["the", "ae", "code"] and len(words_of(found)) == 33
    m = measures(found, {"the", "it"})
    assert (m["words"], m["sentences"], m["mean"], m["over 25 words"]) == (33, 2, 17.5, 0.5)
    assert m["rare words"] == pytest.approx(2 / 33)


def test_the_same_prose_in_all_kinds_of_files(tmp_path):
    notebook = [
        {"cell_type": "markdown", "source": ["One line of it.\n", "\n", "Another line here."]},
        {"cell_type": "code", "source": ["# No prose at all."]},
    ]
    script = (
        '# ---\n# title: no\n# ---\n\n# %% [markdown] id="a"\n# One line of it.\n#\n'
        "# Another line here.\n\n# %%\n# No prose at all.\n"
    )
    (tmp_path / "b.ipynb").write_text(json.dumps({"cells": notebook}))
    (tmp_path / "a.py").write_text(script)
    (tmp_path / "c.md").write_text("One line of it.\n\nAnother line here.\n")
    found = [sentences(prose(path)) for path in files(tmp_path)]
    assert found == [[["One", "line", "of", "it"], ["Another", "line", "here"]]] * 3


def test_a_script_stands_for_the_notebook_made_from_it(tmp_path):
    for name in ("a.py", "a.ipynb", "b.ipynb"):
        (tmp_path / name).touch()
    assert [path.name for path in files(tmp_path)] == ["a.py", "b.ipynb"]
