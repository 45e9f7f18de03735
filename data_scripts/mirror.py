"""Make a classroom mirror: a folder with copies of the prepared data, checked.

    python -m data_scripts.mirror DIR                 e.g. on a USB stick
    python -m data_scripts.mirror DIR --serve 8000    and offer it on the local network

A learner sets COURSE_DATA=DIR, COURSE_MIRROR=DIR or COURSE_MIRROR=http://ADDRESS:8000.
"""

import argparse
import shutil
import socket
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from helpers.datasets import DataError, store
from helpers.places import course_data


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts.mirror",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the mirror is, or will be")
    parser.add_argument("--root", type=Path, help="folder of prepared files [COURSE_DATA or data/]")
    parser.add_argument("--serve", type=int, metavar="PORT", help="then serve it over HTTP")
    options = parser.parse_args(arguments)
    root = options.root or course_data()
    failed = False
    try:
        copy(root, options.folder)
    except DataError as error:
        print(error, file=sys.stderr)
        failed = True
    try:
        folders = store.prepared_folders(options.folder)
        if not folders and failed:
            return 1
        if not folders:
            print(f"Nothing to mirror: no prepared data in {root}.", file=sys.stderr)
            print("To prepare all: python -m data_scripts.prepare", file=sys.stderr)
            return 1
        print(f"{options.folder} holds {', '.join(folder.name for folder in folders)}.")
        if options.serve is not None:
            serve(options.folder, options.serve)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    return int(failed)


def copy(root, target):
    """Copy the prepared folders that `target` does not have, or has in another version.

    The others are copied even where one cannot be: its error is raised at the end.
    Of several such errors, the earlier ones are printed.
    """
    errors = []
    for folder in store.prepared_folders(root):
        final = target / folder.name
        if store.is_same(folder, final):
            continue
        try:
            with store.locked(final, folder.name), store.disk_named(target, folder.name):
                store.copy_folder(folder, final, folder.name)
            print(f"copied {folder.name}")
        except DataError as error:
            errors.append(error)
    for error in errors[:-1]:
        print(error, file=sys.stderr)
    if errors:
        raise errors[-1]


class Handler(SimpleHTTPRequestHandler):
    """Serves files, and the rest of a file to those whose download was cut ("Range: bytes=N-")."""

    def do_GET(self):
        if self.path == "/":
            self.send_names()
            return
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        wanted = self.headers.get("Range", "")
        start = int(wanted[6:-1]) if wanted[6:-1].isdecimal() and wanted.endswith("-") else 0
        if start >= size > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        with open(path, "rb") as file:
            file.seek(start)
            shutil.copyfileobj(file, self.wfile)

    def send_names(self):
        """What the mirror holds, for who opens its address in a browser."""
        names = [folder.name for folder in store.prepared_folders(self.directory)]
        lines = ["The classroom mirror answers. It holds:", *names, ""]
        text = "\n".join(lines).encode(errors="replace")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *values):
        print(f"{self.client_address[0]} {format % values}", flush=True)


def serve(folder, port):
    """Serve `folder` on all addresses of this machine until Ctrl-C."""
    handler = partial(Handler, directory=folder)
    try:
        server = ThreadingHTTPServer(("", port), handler)
    except (OSError, OverflowError) as error:  # in use, below 1024, above 65535
        why = getattr(error, "strerror", None) or error
        what = f"The mirror cannot be served on port {port}: {why}."
        todo = "choose another, such as --serve 8001; --serve 0 takes one that is free"
        raise DataError(what, "this machine", todo, "") from error
    with server:
        print(f"COURSE_MIRROR=http://{own_address()}:{server.server_port}   (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("mirror closed")


def own_address():
    """This machine's address on the local network. Connecting a UDP socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


if __name__ == "__main__":
    sys.exit(main())
