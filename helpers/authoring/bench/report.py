"""The tables of a bench: kept in solutions/results/bench.json, printed, and shown in the docs."""

import json

from helpers.places import RESULTS

PATH = RESULTS / "bench.json"


def tables():
    """All that was measured: {part: {"machine", "commit", ..., "rows"}}."""
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def keep(part, table, path=PATH):
    """Put a part's table in place of its older one."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    draft = path.with_suffix(".part")
    text = json.dumps(rounded(known | {part: table}), indent=1, sort_keys=True)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)


def rounded(value):
    """The same with four digits of each number."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


COLUMNS = {
    "section": "{}",
    "threads": "{}",
    "contender": "{}",
    "seconds": "{0[1]:.3g} ({0[0]:.3g} to {0[2]:.3g})",
    "ratio": "{:.2f}",
    "ratios": "{0[0]:.2f} to {0[2]:.2f}",
    "images_per_second": "{:,.0f}",
    "of_limit": "{:.1f}",
    "data_share": "{:.0%}",
    "faults_per_step": "{:,.0f}",
    "peak_mb": "{:,}",
    "mse": "{:.6f}",
    "accuracy": "{}",
}


HEADINGS = {
    "contender": "program",
    "seconds": "seconds (quartiles)",
    "ratio": "times the course's time",
    "of_limit": "times the arithmetic limit",
}


def text(rows, columns=COLUMNS):
    """Rows as a Markdown table of those columns that they have."""
    columns = {c: form for c, form in columns.items() if any(c in row for row in rows)}
    names = [HEADINGS.get(c, c.replace("_", " ")) for c in columns]
    lines = [names, ["---"] * len(names)]
    for row in rows:
        lines.append([f.format(row[c]) if c in row else "" for c, f in columns.items()])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary():
    """The table of the docs, without sections, and where its numbers come from."""
    found = tables()
    if not found:
        return "Not measured yet: `make bench`."
    rows = [
        {"part": part} | row
        for part, table in found.items()
        for row in table["rows"]
        if row.get("section", "all") == "all"
    ]
    shown = ("threads", "contender", "seconds", "ratio", "images_per_second", "of_limit")
    columns = {"part": "{}"} | {name: COLUMNS[name] for name in shown}
    machines = sorted({f"{t['machine']}, torch {t['torch']}" for t in found.values()})
    commits = sorted({t["commit"] for t in found.values()})
    return f"{text(rows, columns)}\n\nMeasured on {'; '.join(machines)}, at {', '.join(commits)}."
