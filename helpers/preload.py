"""Imports that take seconds, done while the learner reads."""

import importlib
from contextlib import suppress
from threading import Thread, main_thread

_threads = []


def preload(*modules):
    """Start to import the modules, one after the other in the order given, and return at once.

    A cell that needs one of them earlier waits until it is there, as Python does wherever two
    threads import the same. An error is not shown: the cell's own import meets it again.
    """
    # No daemon: Python would stop it in the middle of an import, and then wait for ever for the
    # lock of imports that it still holds.
    thread = Thread(target=_import, args=(modules,), name="preload")
    _threads.append(thread)
    thread.start()


def wait():
    """Return when all that was to be preloaded is there.

    For code that watches or changes what belongs to the whole process, such as the warning filters:
    imports change these too.
    """
    for thread in _threads:
        thread.join()


def _import(modules):
    for module in modules:
        if not main_thread().is_alive():
            return  # the kernel is being shut down
        with suppress(Exception):
            importlib.import_module(module)
