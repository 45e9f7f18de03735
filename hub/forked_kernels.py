"""Kernels for a class on one machine, forked from one process that has imported the course.

Most of a kernel's memory are the packages that it imports. Here one process imports them, and each
kernel is a fork of it: a page that nobody writes to is there once for the whole class.

    python forked_kernels.py serve SOCKET           waits for what follows; the hub starts it
    python forked_kernels.py start SOCKET -f FILE   the command of a kernel, ends when it ends

Who asks for a kernel is told by the system (SO_PEERCRED). Where this process is root's, the fork
takes the rights of that user and the control group of their server, whose limits of memory then
hold for it, before it does anything else that they ask for. One thing is lost: all forks have the
same layout of memory, so it no longer hides one learner's from another who attacks it.
"""

import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import threading

LONGEST = 2**20  # bytes of a request
IMPORTED = "helpers", "torch._dynamo", "torchvision", "scipy.stats", "pandas", "matplotlib.pyplot"
IMPORTED += "seaborn", "sklearn.decomposition", "sklearn.neighbors", "ipywidgets"
IMPORTED += "ipykernel.ipkernel", "ipykernel.kernelapp", "matplotlib_inline.backend_inline"
IMPORTED += "helpers.checks", "helpers.plotting", "helpers.runtime", "helpers.training"
IMPORTED += "helpers.datasets", "helpers.widgets", "helpers.quiz", "helpers.explorables"


def serve(path):
    """Wait for requests at a socket, and fork a kernel for each."""
    if os.path.exists(path):
        os.unlink(path)
    waiting = socket.socket(socket.AF_UNIX)
    waiting.bind(path)
    os.chmod(path, 0o666 if os.getuid() == 0 else 0o600)
    waiting.listen(256)  # who comes before the imports are done has to wait
    imports()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system clears away what has ended
    while True:
        asking, _ = waiting.accept()
        if os.fork() == 0:
            waiting.close()
            kernel(asking)
        asking.close()


def imports():
    """Import what the first cells of the notebooks import. None of these starts a thread."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else the first search for garbage would write to every page


def kernel(asking):
    """The forked process: become the one who asks, then a kernel."""
    try:
        become(*struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))
        request, files, _, _ = socket.recv_fds(asking, LONGEST, 2)
        for number, file in zip((1, 2), files, strict=True):
            os.dup2(file, number)
        said = json.loads(request)
        os.environ.clear()
        os.environ.update(said["environment"], JPY_PARENT_PID=str(os.getppid()))
        os.chdir(said["folder"])
        sys.argv, sys.path[0] = ["ipykernel_launcher", *said["arguments"]], ""
        threading.Thread(target=end_with, args=[asking], daemon=True).start()
        run()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(1)


def become(pid, user, group):
    """Take the rights and the limits of a process, if they are others than this one's."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if user == os.getuid():
        return
    import pwd

    with open(f"/proc/{pid}/cgroup") as file:
        place = file.read().strip().rpartition("0::")[2]
    with open(f"/sys/fs/cgroup{place}/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))
    os.initgroups(pwd.getpwuid(user).pw_name, group)
    os.setgid(group)
    os.setuid(user)


def run():
    import random

    import numpy as np
    import torch
    from ipykernel.kernelapp import launch_new_instance

    # each kernel draws its own, as if it had been started by itself
    random.seed(), np.random.seed(), torch.seed()  # noqa: NPY002
    launch_new_instance()
    os._exit(0)


def end_with(asking):
    """End when the command that asked has ended."""
    asking.recv(1)
    os._exit(0)


def start(path, *arguments):
    """Ask for a kernel, and wait for its end."""
    asking = socket.socket(socket.AF_UNIX)
    asking.connect(path)
    said = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}
    socket.send_fds(asking, [json.dumps(said).encode()], [1, 2])
    asking.recv(1)


if __name__ == "__main__":
    {"serve": serve, "start": start}[sys.argv[1]](*sys.argv[2:])
