"""Bring real data to this machine, from the official addresses or from archives that are here.

python -m data_scripts.prepare                     all five
python -m data_scripts.prepare mednist --dry-run   what it would do, and how large it is
python -m data_scripts.prepare oct --archive OCT2017.tar.gz --size 128
python -m data_scripts.prepare --archive FOLDER    FOLDER/mnist, FOLDER/mednist, ...
"""

import argparse
import os
import sys
from pathlib import Path

from helpers.datasets import DATA_SETS, DataError, store
from helpers.datasets.download import free_bytes, megabytes
from helpers.datasets.prepare import bring, folder_of, mirror, prepare
from helpers.places import course_data


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(DATA_SETS)}; none means all"
    )
    parser.add_argument(
        "--archive", type=Path, help="local archive or folder instead of a download"
    )
    parser.add_argument("--root", type=Path, help="folder of prepared files [COURSE_DATA or data/]")
    parser.add_argument("--size", type=int, help="side length in pixels (oct)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(DATA_SETS):
        parser.error(f"no data set {', '.join(sorted(unknown))}; there are {', '.join(DATA_SETS)}")
    root = options.root or course_data()
    action = plan if options.dry_run else run
    failed = False
    for name in options.names or DATA_SETS:
        data_set = DATA_SETS[name]
        archive = options.archive
        if archive and os.path.isdir(archive / name):
            archive = archive / name
        try:
            size = data_set.checked_size(options.size)
            action(data_set, size, root, archive)
        except (DataError, ValueError) as error:
            print(error, file=sys.stderr)
            failed = True
    return int(failed)


def plan(data_set, size, root, archive):
    """Say what `run` would do."""
    folder = folder_of(data_set, size, root)
    if store.is_prepared(folder) and not archive:
        print(f"{data_set.name}: is there already, in {folder}")
    elif place := archive or mirror(data_set.name):
        print(f"{data_set.name}: from {place} to {folder}")
    else:
        free = free_bytes(root)
        room = "" if free is None else f" ({megabytes(free)} free)"
        print(f"{data_set.name}: download to {folder}{room}")
        for file in data_set.files(size):
            print(f"  {file.name}, up to {megabytes(file.bytes)}, {file.checksum}")
            for url in file.urls:
                print(f"    {url}")


def run(data_set, size, root, archive):
    """Prepare one data set and say what is there now."""
    folder = prepare(data_set, size, root, archive) if archive else bring(data_set, size, root)
    manifest = store.read_manifest(folder, data_set.name, size)
    counts = [f"{split} {sum(n.values()):,}" for split, n in manifest["counts"].items()]
    print(f"{data_set.name}: {', '.join(counts)} at {manifest['size']} px, in {folder}")
    for left_out in manifest["left_out"]:
        print(f"  left out: {left_out['count']:,}, {left_out['reason']}")


if __name__ == "__main__":
    sys.exit(main())
