"""Check every prepared file against the sha256 in its manifest.

python -m data_scripts.check [--root DIR]
"""

import argparse
import sys
from pathlib import Path

from helpers.datasets import DataError, store
from helpers.places import course_data


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m data_scripts.check", description=__doc__)
    parser.add_argument("--root", type=Path, help="folder of prepared files [COURSE_DATA or data/]")
    root = parser.parse_args(arguments).root or course_data()
    folders = store.prepared_folders(root)
    if not folders:
        where = root if root.exists() else f"{root}, which is not there"
        print(f"No prepared data in {where}. To prepare: python -m data_scripts.prepare")
    damaged = 0
    for folder in folders:
        try:
            manifest = store.check(folder)
        except DataError as error:
            print(error, file=sys.stderr)
            damaged += 1
            continue
        counts = [f"{split} {sum(n.values()):,}" for split, n in manifest["counts"].items()]
        print(f"{folder.name}: good, {', '.join(counts)}; {manifest['origin']}")
        right = f"{manifest['name']}-{manifest['size']}"
        if folder.name != right:
            print(f"  found by load under the name {right} only: rename the folder")
    return int(damaged > 0)


if __name__ == "__main__":
    sys.exit(main())
