"""Read the tables that `make results` computed."""

import json

import pandas as pd

from helpers.places import RESULTS as FOLDER


def read_entries(name):
    """All entries of a table, as stored: a list of dicts. ValueError where its file is damaged."""
    path = FOLDER / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}): git checkout {path}") from error


def read_table(name, *, source, profile):
    """The table's entries for this data source and profile, as a DataFrame with one row an entry.

    Where they were not computed for these, the quick profile stands in, on real data if possible;
    the columns `source` and `profile` say so.
    """
    entries = read_entries(name)
    for wanted in ((source, profile), (source, "quick"), ("real", "quick"), ("sample", "quick")):
        rows = [
            {**e["parameters"], **e["values"], "profile": e["profile"]}
            for e in entries
            if (e["values"]["source"], e["profile"]) == wanted
        ]
        if rows:
            return pd.DataFrame(rows)
    raise FileNotFoundError(
        f"{FOLDER / name}.json holds no entries; compute them with: make results"
    )


def over_seeds(table, by):
    """Mean of each number over the seeds, one row for each value of the column(s) `by`, as index.

    The column `seeds` says over how many.
    """
    groups = table.groupby(by, sort=False)
    return groups.mean(numeric_only=True).assign(seeds=groups.seed.nunique()).drop(columns="seed")
