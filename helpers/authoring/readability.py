# /// script
# requires-python = ">=3.11"
# dependencies = ["wordfreq==3.1.1"]
# ///
"""How long the sentences of a course are, and how many of its words are rare.

    .venv/bin/uv run --no-project helpers/authoring/readability.py [FOLDER or FILE ...] [--files]

Reads the prose of notebooks (.ipynb), percent-format scripts (.py) and Markdown (.md), of this
course or any other: without arguments this course's exercise notebooks. `wordfreq`, which knows how
common a word is, comes into an environment of uv's own. The numbers compare texts; none of them is
a goal.
"""

import argparse
import json
import re
from pathlib import Path
from statistics import mean, quantiles

# The most common word forms of English ("see", "sees" and "seen" are three): what a reader with an
# intermediate knowledge of English is likely to have met.
COMMON = 5000
SUFFIXES = (".ipynb", ".py", ".md")
STANDS_FOR = "□"  # code and formulae inside a sentence: one word of its length, none of its words
# Their dots end no sentence.
ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|et al|vs|cf|etc|resp|approx|Fig|Eq|Sec|No)\.")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|□|\d[\d.,]*")
APART = [  # in this order: what is taken out of Markdown, and what remains of it
    (re.compile(r"\A---\n.*?\n---\n", re.DOTALL), ""),  # front matter
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"^```\{(?:code|eval|math|toctree|figure|image).*?^```", re.M | re.S), "\n\n"),
    (re.compile(r"^`{3,}\{[^\n]*\n((?::[^\n]*\n)*)", re.M), "\n\n"),  # a note holds prose
    (re.compile(r"^(`{3,}|~{3,})[\w+-]+.*?^\1[^\n]*$", re.M | re.S), "\n\n"),  # code
    (re.compile(r"^(?:`{3,}|:{3,})[^\n]*$", re.M), "\n\n"),
    (re.compile(r"\$\$.*?\$\$|\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.S), "\n\n"),
    (re.compile(r"^[ \t]*\|.*$", re.M), ""),  # tables
    (re.compile(r"^#+ .*$", re.M), "\n"),  # headings
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), " "),  # pictures
    (re.compile(r"\[([^\]]*)\]\([^)]*\)|\[([^\]]*)\]\[[^\]]*\]"), r"\1\2"),
    (re.compile(r"`[^`\n]+`|\$[^$\n]+\$"), STANDS_FOR),
    (re.compile(r"https?://\S+"), STANDS_FOR),
    (re.compile(r"</?(?:p|div|br|li|ul|ol|details|summary|center)\b[^>]*>", re.I), "\n\n"),
    (re.compile(r"<[^>]+>"), ""),
    (re.compile(r"^> ?", re.M), ""),
    (re.compile(r"[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}"), ""),
]
BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+\.)\s)")
END = re.compile(r"(?<=[.!?])[\"”’)\]]*\s+(?=[A-Z□\"“(\d])")


def prose(path):
    """The Markdown of a file: of a notebook or script, that of its markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = (c for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")
        return "\n\n".join("".join(cell["source"]) for cell in cells)
    if path.suffix == ".py":
        cells = re.split(r"^# %%", text, flags=re.MULTILINE)[1:]
        lines = (c.split("\n")[1:] for c in cells if re.match(r" \[(?:markdown|md)\]", c))
        return "\n\n".join("\n".join(re.sub(r"^# ?", "", x) for x in cell) for cell in lines)
    return text


def sentences(text):
    """The sentences of a Markdown text as lists of words. Fewer than three words are none."""
    for pattern, rest in APART:
        text = pattern.sub(rest, text)
    text = ABBREVIATION.sub(STANDS_FOR, text)
    found = []
    for block in BLOCK.split(text):
        block = re.sub(r"^\s*(?:[-*+]|\d+\.)\s+", "", block)
        found += [WORD.findall(sentence) for sentence in END.split(" ".join(block.split()))]
    return [words for words in found if len(words) >= 3]


def words_of(found):
    """The words of sentences in small letters, without numbers, code and "'s"."""
    plain = (re.sub(r"['’]s$", "", word.lower()) for words in found for word in words)
    return [word for word in plain if word[0].isalpha()]


def measures(found, common):
    """The measures of sentences; `common` holds the words that are not rare."""
    lengths, words = [len(words) for words in found], words_of(found)
    cuts = quantiles(lengths, n=10, method="inclusive")
    return {
        "words": len(words),
        "sentences": len(found),
        "mean": mean(lengths),
        "90th percentile": cuts[-1],
        "over 25 words": mean(length > 25 for length in lengths),
        "rare words": mean(word not in common for word in words),
    }


def files(path):
    """The files that a path stands for, without notebooks beside which their script lies."""
    if path.is_file():
        return [path]
    found = [p for p in sorted(path.rglob("*")) if p.suffix in SUFFIXES and ".ipynb_" not in str(p)]
    scripts = {p.with_suffix("") for p in found if p.suffix == ".py"}
    return [p for p in found if p.suffix != ".ipynb" or p.with_suffix("") not in scripts]


def main():
    from wordfreq import top_n_list

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="folders, .ipynb, .py or .md")
    parser.add_argument("--files", action="store_true", help="a line for each file as well")
    parser.add_argument("--rare", action="store_true", help="the rare words that come most often")
    args = parser.parse_args()
    own = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))
    common, rows, all_of = set(top_n_list("en", COMMON)), [], []
    for path in args.paths or own:
        parts = {p: sentences(prose(p)) for p in files(path)}
        together = [s for found in parts.values() for s in found]
        all_of += together
        if args.files and path.is_dir():
            rows += [(p.relative_to(path), found) for p, found in parts.items() if len(found) > 1]
        rows.append((path.name, together))
    if len(args.paths or own) > 1:
        rows.append(("together", all_of))
    print(" | words | sentences | words a sentence | 90th percentile | over 25 words | rare words")
    for name, found in rows:
        m = measures(found, common)
        print(
            f"{name} | {m['words']:,} | {m['sentences']:,} | {m['mean']:.1f} | "
            f"{m['90th percentile']:.0f} | {m['over 25 words']:.0%} | {m['rare words']:.1%}"
        )
    if args.rare:
        rare = [word for word in words_of(all_of) if word not in common]
        often = sorted(set(rare), key=lambda word: (-rare.count(word), word))[:60]
        print(", ".join(f"{word} {rare.count(word)}" for word in often))


if __name__ == "__main__":
    main()
