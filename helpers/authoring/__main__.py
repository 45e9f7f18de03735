"""python -m helpers.authoring [MODULE ...] [--no-execute | --force | --claims | --minutes]"""

import argparse
import sys

from helpers.authoring import claims, glossary
from helpers.authoring.build import (
    SourceError,
    build,
    fill_documents,
    lessons,
    minutes_table,
    module_parts,
    read_cells,
    sources,
)


def main():
    parser = argparse.ArgumentParser(prog="make build", description="Build the notebooks.")
    parser.add_argument("modules", nargs="*", help="module numbers, 01 for one; all without")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--no-execute", action="store_true", help="keep outputs, run nothing")
    how.add_argument("--force", action="store_true", help="execute even where no cell changed")
    how.add_argument("--claims", action="store_true", help="only list texts that no cell holds")
    how.add_argument("--minutes", action="store_true", help="only list what each part takes")
    args = parser.parse_args()
    try:
        paths = [path for module in args.modules or [None] for path in sources(module)]
        if args.claims:
            print("\n\n".join(claims.listed(p.stem, claims.unheld(read_cells(p))) for p in paths))
            return
        if args.minutes:
            print("\n\n".join(minutes_table(path) for path in paths))
            return
        for path in paths:
            build(path, run=not args.no_execute, force=args.force)
        fill_documents()
        warn(paths)
    except SourceError as error:
        sys.exit(str(error))


def warn(paths):
    """Say what does not stop a build, and what the tests refuse."""
    for path in paths:
        if report := claims.unheld(read_cells(path)):
            print(
                f"warning: {path.stem} speaks of results that no cell holds, in "
                f"{', '.join(id for id, _ in report)} (ARGS=--claims shows the sentences)",
                file=sys.stderr,
            )
    for trouble in glossary.troubles({path.stem: module_parts(path) for path in lessons()}):
        print(f"warning: {trouble}", file=sys.stderr)


if __name__ == "__main__":
    main()
