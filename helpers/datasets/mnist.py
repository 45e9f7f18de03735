"""MNIST and Fashion-MNIST: the original IDX files, read by torchvision's own functions.

Both have the same four file names, and so have other sets: the md5 sum says which a file is of.
"""

import gzip
import hashlib
import re

from helpers.datasets.dataset import DataSet
from helpers.datasets.download import RemoteFile
from helpers.datasets.errors import DataError
from helpers.datasets.tree import Tree

# Addresses and md5 sums are torchvision's (a test compares them), noted here so that finding out
# that there is no network does not take the seconds of importing it.
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion_mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
}
FILES = {  # name, md5, bytes
    "mnist": (
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28_881),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1_648_877),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4_542),
    ),
    "fashion_mnist": (
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29_515),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4_422_102),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5_148),
    ),
}
UNPACKED = {  # md5 of the unpacked file; of Fashion-MNIST's training part it is not known here
    "6bbc9ace898e44ae57da46a324031adb": ("mnist", "train-images-idx3-ubyte.gz"),
    "a25bea736e30d166cdddb491f175f624": ("mnist", "train-labels-idx1-ubyte.gz"),
    "2646ac647ad5339dbf082846283269ea": ("mnist", "t10k-images-idx3-ubyte.gz"),
    "27ae3e4e09519cfbb04c329615203637": ("mnist", "t10k-labels-idx1-ubyte.gz"),
    "8181f5470baa50b63fa0f6fddb340f0a": ("fashion_mnist", "t10k-images-idx3-ubyte.gz"),
    "15d484375f8d13e6eb1aabb0c3f46965": ("fashion_mnist", "t10k-labels-idx1-ubyte.gz"),
}
IDX = re.compile(r"(train|t10k)-(images|labels)[.-]idx[13]-ubyte")
PAIRS = {
    split: [f"{prefix}-{part}-ubyte.gz" for part in ("images-idx3", "labels-idx1")]
    for split, prefix in (("train", "train"), ("test", "t10k"))
}
NEEDED = {"mnist": ("train", "test"), "fashion_mnist": ("test",)}  # parts that modules load
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}


def official_files(name):
    """The four files of MNIST or Fashion-MNIST."""
    return [
        RemoteFile(file, tuple(mirror + file for mirror in MIRRORS[name]), f"md5:{md5}", size)
        for file, md5, size in FILES[name]
    ]


def identified(data):
    """The set and the official name of an IDX file, by its bytes, packed or not; and unpacked.

    -> (name, file), bytes; (None, None) for a file that is not one of the eight
    """
    known = {md5: (name, file) for name, files in FILES.items() for file, md5, _ in files}
    packed = data[:2] == b"\x1f\x8b"
    owner = known.get(_md5(data))
    if not packed or owner:
        data = gzip.decompress(data) if packed else data
    else:  # packed by somebody else, or damaged, for which zlib has many words
        try:
            data = gzip.decompress(data)
        except Exception:
            return (None, None), b""
    return owner or UNPACKED.get(_md5(data), (None, None)), data


def _md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def checked_files(name, source, out):
    """{official file name: unpacked bytes} of the files of the set `name` under `source`.

    Files of another set are passed over. DataError where a part that the course loads is missing.
    """
    if source.is_file() and IDX.search(source.name):
        source = source.parent
    found, others, unknown = {}, {}, []
    with Tree(source, out.scratch, name) as tree:
        for path in filter(IDX.search, tree.names):
            (owner, file), data = identified(tree.read(path))
            if owner == name:
                found[file] = data
            elif owner:
                others[path] = owner
            else:
                unknown.append(path)
    missing = [file for split in NEEDED[name] for file in PAIRS[split] if file not in found]
    if not missing:
        out.leave_out(len(unknown), "IDX file whose md5 sum is not known", unknown)
        return found
    todo = f"give the folder that holds {', '.join(missing)}"
    suspects = [path for path in unknown if _official(path) in missing]
    if suspects:
        what = f"{suspects[0]} is incomplete or altered, or of another set (unknown md5 sum)"
        todo += f", or download them: python -m data_scripts.prepare {name}"
    elif others and not found:
        path, owner = next(iter(others.items()))
        what = f"{path} and {len(others) - 1} more are those of {owner}, of the same name"
        todo = f"leave these, and {todo}"
    else:
        what = f"no complete pair of files (images and labels): {', '.join(missing)} not found"
        kept = ", ".join([*found, *others][:4] or tree.names[:4]) or "nothing"
        todo += f"; found: {kept}"
    raise DataError(f"{name}: {what}.", source, todo, name)


def _official(path):
    """The official name of a file such as t10k-images.idx3-ubyte."""
    prefix, part = IDX.search(path).groups()
    return f"{prefix}-{part}-idx{3 if part == 'images' else 1}-ubyte.gz"


def read(name, source, size, out):
    """The IDX files under `source` into `out`; a part that no module loads may be absent."""
    files = checked_files(name, source, out)
    from torchvision.datasets.mnist import read_image_file, read_label_file

    for file, data in files.items():
        (out.scratch / file).write_bytes(data)
    parts = [split for split, pair in PAIRS.items() if files.keys() >= set(pair)]
    for split in parts:
        images, labels = (out.scratch / file for file in PAIRS[split])
        out.add(split, read_image_file(images).numpy()[:, None], read_label_file(labels).numpy())
    only = "" if len(parts) == 2 else f", {parts[0]} part only"
    return CLASSES[name], f"{TITLES[name]}{only}, from the authors' files (md5 checked)"


MNIST = DataSet(
    name="mnist",
    sizes=(28,),
    licence="none stated by the authors; often given as CC BY-SA 3.0",
    citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to "
    "document recognition. Proceedings of the IEEE 86(11), 1998.",
    files=lambda size: official_files("mnist"),
    read=lambda source, size, out: read("mnist", source, size, out),
    sample="digits",
    in_auto=True,
)
FASHION_MNIST = DataSet(
    name="fashion_mnist",
    sizes=(28,),
    licence="MIT",
    citation="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a novel image dataset for "
    "benchmarking machine learning algorithms. arXiv:1708.07747, 2017.",
    files=lambda size: official_files("fashion_mnist"),
    read=lambda source, size, out: read("fashion_mnist", source, size, out),
    sample="garments",
    in_auto=True,
)
