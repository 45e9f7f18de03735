"""Imports that take seconds, done while the learner reads."""

import importlib
from contextlib import suppress
from threading import Thread, main_thread

from IPython import get_ipython


def preload(*modules):
    """Import the modules between two cells of a notebook: after this one, before the next starts.

    A thread does so, in the order given; a cell that is run earlier waits for it. Never both at
    once: packages whose modules import each other (scikit-learn's do) come out half made when two
    threads enter them at different ends, and an import changes settings, such as the warning
    filters, that a cell may rely on. An error is not shown: whoever needs the module meets it
    again. Outside a notebook nothing is done.
    """
    shell = get_ipython()
    if shell is None:
        return
    # No daemon: Python would stop it in the middle of an import, and then wait for ever for the
    # lock of imports that it still holds.
    thread = Thread(target=_import, args=(modules,), name="preload")

    def wait():
        thread.join()
        shell.events.unregister("pre_execute", wait)

    shell.events.register("pre_execute", wait)
    thread.start()


def _import(modules):
    for module in modules:
        if not main_thread().is_alive():
            return  # the kernel is being shut down
        with suppress(Exception):
            importlib.import_module(module)
