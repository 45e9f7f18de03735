"""Downloads that resume at any byte, are checked, and never leave half a file under a final name.

The common libraries (torchvision, pooch) check and rename but start again from zero after a cut
connection, and torchvision waits for ever on a server that hangs; this module does that part.
"""

import errno
import hashlib
import queue
import re
import shutil
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from tqdm import tqdm

from helpers.datasets.errors import DataError

TIMEOUT = (5, 20)  # seconds: to connect, and between two pieces of data
TRIES = 3  # in a row without a new byte, at each address
PAUSE = 1.0  # seconds before the second try, twice that before the third
CHUNK = 1 << 14  # bytes; what a server that falls silent can cost


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be had at any of `urls`.

    checksum : "md5:..." or "sha256:..."
    bytes : its size, for people; the server's own word counts
    """

    name: str
    urls: tuple[str, ...]
    checksum: str
    bytes: int


class Failed(Exception):
    """One try did not give the file; the message says why in a few words.

    final : True where another try at this address is of no use
    """

    def __init__(self, why, final=False):
        super().__init__(why)
        self.final = final


def megabytes(count):
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def matches(path, checksum):
    """Whether the file at `path` has the checksum, "algorithm:hex digits"."""
    algorithm, expected = checksum.split(":")

    def digest():  # against accidents: a machine in FIPS mode refuses md5 for anything else
        return hashlib.new(algorithm, usedforsecurity=False)

    with open(path, "rb") as file:
        return hashlib.file_digest(file, digest).hexdigest() == expected


def reachable(urls, seconds=3.0):
    """Whether any of the addresses answers at all within `seconds`.

    In threads of their own, since a name look-up without a network knows no time-out.
    """
    import requests

    answers = queue.SimpleQueue()

    def ask(url):
        try:
            requests.head(url, timeout=seconds)
            answers.put(True)
        except (OSError, ValueError):  # a proxy or a certificate file that is set wrong, too
            answers.put(False)

    for url in urls:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    end = time.monotonic() + seconds
    try:
        return any(answers.get(timeout=max(0, end - time.monotonic())) for _ in urls)
    except queue.Empty:
        return False


def download(file, folder, name, todo):
    """Bring `file` into `folder`, from the first address that gives it; returns its path.

    What an earlier try left in FILE.part is continued. The caller holds the lock.

    Raises DataError when no address gives the file with the right checksum.
    """
    path, part = folder / file.name, folder / f"{file.name}.part"
    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and matches(path, file.checksum):
            return path
        for url in file.urls:
            idle = 0
            while idle < TRIES:
                time.sleep(PAUSE * idle)
                before = _bytes(part)
                try:
                    _fetch(url, part, file)
                    part.replace(path)
                    return path
                except Failed as failure:
                    failures.append(f"{urlsplit(url).netloc}: {failure}")
                    if failure.final:
                        break
                    idle = 0 if _bytes(part) > before else idle + 1
    except OSError as error:
        raise disk_error(error, folder, name) from error
    tried = "; ".join(dict.fromkeys(failures))
    what = f"{name}: {file.name} could not be downloaded ({tried})."
    raise DataError(what, " ".join(file.urls), network_todo(tried, file.urls[0], todo), name)


def disk_error(error, folder, name):
    """The DataError for what the operating system said while files were read or written."""
    if isinstance(error, shutil.Error) and isinstance(
        error.args[0], list
    ):  # a list of (from, to, why)
        _, where, why = error.args[0][0]
        return DataError(f"{name}: {why}.", where, "check this path and its disk", name)
    todo = "check this path and its disk, then run it again"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        todo = "make room, or set COURSE_DATA to a folder on a larger disk, and run it again"
    elif getattr(error, "winerror", None) in (5, 32):  # Windows keeps an open file from renaming
        todo = (
            "close the notebooks that use these files, or set COURSE_DATA to a folder of your own"
        )
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        todo = (
            "set COURSE_DATA (or --root) to a folder that you may write to, or ask whose it is for "
            "the right to this one"
        )
    free = free_bytes(folder)
    room = "" if free is None else f" ({megabytes(free)} free on the disk)"
    where = f"{error.filename or folder}{room}"
    return DataError(f"{name}: {error.strerror or error}.", where, todo, name)


def free_bytes(folder):
    """Free space where `folder` is, or will be; None where the disk does not say."""
    for place in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            break
    return None


def _bytes(path):
    return path.stat().st_size if path.exists() else 0


def _fetch(url, part, file):
    """Continue `part` from `url` until it is whole and has the right checksum."""
    import requests

    have = _bytes(part)
    headers = {"Accept-Encoding": "identity"}  # offsets count the file's own bytes
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with ask(url, headers=headers, stream=True) as answer:
            status = answer.status_code
            if status == 416:  # nothing after `have`: the part is whole already, or wrong
                total = have
            elif status >= 400:
                raise Failed(through(f"HTTP {status}", url), final=status < 500 and status != 429)
            elif answer.headers.get("Content-Type", "").startswith("text/html"):
                raise Failed(through(PAGE, url), final=True)
            else:
                have = have if status == 206 else 0
                total = have + int(answer.headers.get("Content-Length", 0))
                _receive(answer, part, have, total, file.name)
    except requests.RequestException as error:
        raise Failed(in_words(error, url)) from error
    if _bytes(part) < total:
        raise Failed(f"connection cut at {_bytes(part):,} of {total:,} bytes")
    kind, count = file.checksum.split(":")[0], _bytes(part)
    try:
        good = matches(part, file.checksum)
    except ValueError as error:
        raise Failed(f"this Python cannot compute {kind} sums: {error}", final=True) from error
    if not good:
        with open(part, "rb") as begun:
            page = ", a web page" if begun.read(64).lstrip().startswith(b"<") else ""
        part.unlink()  # a part that was continued may have been the culprit: once more from zero
        raise Failed(f"wrong {kind} sum ({count:,} bytes{page})", final=not have)


def _receive(answer, part, have, total, label):
    progress = tqdm(
        desc=label, initial=have, total=total or None, unit="B", unit_scale=True, leave=False
    )
    answer.raw.enforce_content_length = False  # a cut must not cost the bytes before it
    with progress, open(part, "r+b" if have else "wb") as out:
        out.seek(have)
        for chunk in answer.iter_content(CHUNK):
            out.write(chunk)
            progress.update(len(chunk))


def ask(url, **options):
    """requests.get, which raises Failed for what is no RequestException either."""
    import requests

    try:
        return requests.get(url, timeout=TIMEOUT, **options)
    except requests.RequestException:
        raise
    except (OSError, ValueError) as error:  # a certificate file that is not there, an odd address
        raise Failed(str(error), final=True) from error


PAGE = "answers with a web page, perhaps this network's log-in, not with the file"
PROXY, CERTIFICATE = "the proxy ", "no trusted certificate"  # by which network_todo knows them
UNRESOLVED = re.compile("resol|getaddrinfo|nodename nor servname|Name or service", re.IGNORECASE)


def in_words(error, url):
    """What went wrong at the address, in a few words."""
    import requests

    if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in str(error):
        words = "SOCKS needs another package: pip install pysocks"
    elif isinstance(error, requests.HTTPError):
        words = f"HTTP {error.response.status_code}"
    elif isinstance(error, requests.exceptions.JSONDecodeError):
        words = PAGE
    elif isinstance(error, requests.Timeout) or "timed out" in str(error):
        words = "no answer in time"
    elif isinstance(error, requests.exceptions.ChunkedEncodingError):
        words = "connection cut"
    elif isinstance(error, requests.exceptions.SSLError):
        words = CERTIFICATE
    elif isinstance(error, requests.ConnectionError):
        unknown = not proxy_of(url) and UNRESOLVED.search(str(error))
        words = "its name is not known in this network (DNS)" if unknown else "cannot be reached"
    elif isinstance(error, Failed):
        words = str(error)
    else:
        words = f"{type(error).__name__}: {error}"
    return through(words, url)


def through(words, url):
    """The words, and the proxy that the address was asked through."""
    proxy = proxy_of(url)
    return f"{words}, asked through {PROXY}{proxy}" if proxy else words


def proxy_of(url):
    """The proxy that requests asks for this address, without name and password; "" for none."""
    from requests.utils import get_environ_proxies, select_proxy

    try:
        proxy = select_proxy(url, get_environ_proxies(url))
    except ValueError:
        return ""
    return (proxy or "").split("@")[-1]


def network_todo(why, url, todo):
    """What to do, with what helps against proxies and those who look into encrypted connections."""
    if PROXY in why:
        todo += (
            f"; is {urlsplit(url).hostname} in your own network? Then set NO_PROXY to that; else "
            "see that the address in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is right"
        )
    if CERTIFICATE in why:
        todo += (
            "; check the clock; behind a proxy or virus scanner that opens connections set "
            "REQUESTS_CA_BUNDLE to the certificate file of your institution"
        )
    return todo
