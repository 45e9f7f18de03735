"""MNIST and Fashion-MNIST: the original IDX files, read by torchvision's own functions."""

import itertools

from helpers.datasets.dataset import DataSet
from helpers.datasets.download import RemoteFile, matches
from helpers.datasets.errors import DataError

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


def checked_pairs(name, source):
    """{split: (images file, labels file)} found under `source`, with the official md5 sums."""
    files = {file.name: file for file in official_files(name)}
    found = {path.name: path for path in source.rglob("*.gz") if path.name in files}
    pairs = {
        split: [found.get(f"{prefix}-{part}-ubyte.gz") for part in ("images-idx3", "labels-idx1")]
        for split, prefix in (("train", "train"), ("test", "t10k"))
    }
    pairs = {split: pair for split, pair in pairs.items() if all(pair)}
    if not pairs:
        raise DataError(
            f"{name}: no complete pair of files (images and labels) found.",
            source,
            f"give the folder that holds {', '.join(files)}",
            name,
        )
    for path in itertools.chain(*pairs.values()):
        if not matches(path, files[path.name].checksum):
            raise DataError(
                f"{name}: {path.name} is incomplete or altered (wrong md5 sum).",
                path,
                f"delete it and run: python -m data_scripts.prepare {name}",
                name,
            )
    return pairs


def read(name, source, size, out):
    """The IDX files (.gz) under `source` into `out`; one of the two splits may be absent."""
    pairs = checked_pairs(name, source)
    from torchvision.datasets.mnist import read_image_file, read_label_file
    from torchvision.datasets.utils import extract_archive

    for split, pair in pairs.items():
        images, labels = (extract_archive(path, out.scratch) for path in pair)
        images = read_image_file(images).numpy()[:, None]
        out.add(split, images, read_label_file(labels).numpy())
    only = "" if len(pairs) == 2 else f", {next(iter(pairs))} part only"
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
