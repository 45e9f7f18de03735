"""Prepare the tiny MedNIST in a process of its own: tiny.py ROOT URL CHECKSUM [STOP]

STOP is a function, module:name, that prints "stopped" and waits to be killed when it is called.
"""

import importlib
import sys
import time
from dataclasses import replace
from pathlib import Path

from helpers.datasets.download import RemoteFile
from helpers.datasets.errors import DataError
from helpers.datasets.mednist import MEDNIST
from helpers.datasets.prepare import prepare


def data_set(url, checksum):
    """MedNIST, from another address."""
    remote = RemoteFile("MedNIST.tar.gz", tuple(url.split()), checksum, 60_000)
    return replace(MEDNIST, files=lambda size: [remote])


def stopped(*_, **__):
    print("stopped", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    root, url, checksum, *stop = sys.argv[1:]
    if stop:
        module, _, name = stop[0].partition(":")
        owner = importlib.import_module(module)
        *path, last = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, last, stopped)
    try:
        print(prepare(data_set(url, checksum), 64, Path(root)))
    except DataError as error:
        sys.exit(str(error))
