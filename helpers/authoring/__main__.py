"""python -m helpers.authoring [MODULE ...] [--no-execute | --force | --minutes]"""

import argparse
import sys

from helpers.authoring.build import SourceError, build, fill_documents, minutes_table, sources


def main():
    parser = argparse.ArgumentParser(prog="make build", description="Build the notebooks.")
    parser.add_argument("modules", nargs="*", help="module numbers, 01 for one; all without")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--no-execute", action="store_true", help="keep outputs, run nothing")
    how.add_argument("--force", action="store_true", help="execute even where no cell changed")
    how.add_argument("--minutes", action="store_true", help="only list what each part takes")
    args = parser.parse_args()
    try:
        paths = [path for module in args.modules or [None] for path in sources(module)]
        if args.minutes:
            print("\n\n".join(minutes_table(path) for path in paths))
            return
        for path in paths:
            build(path, run=not args.no_execute, force=args.force)
        fill_documents()
    except SourceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
