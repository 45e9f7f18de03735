"""MNIST and Fashion-MNIST: the original IDX files, read by torchvision's own functions."""

from helpers.datasets.dataset import DataSet
from helpers.datasets.download import RemoteFile, matches
from helpers.datasets.errors import DataError

BYTES = {
    "mnist": (9_912_422, 28_881, 1_648_877, 4_542),
    "fashion_mnist": (26_421_880, 29_515, 4_422_102, 5_148),
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
MORE_MIRRORS = {
    "mnist": (),
    "fashion_mnist": ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",),
}
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}


def official_files(name):
    """The four files with torchvision's checksums; its mirrors and those of the authors."""
    from torchvision import datasets

    loader = {"mnist": datasets.MNIST, "fashion_mnist": datasets.FashionMNIST}[name]
    mirrors = (*loader.mirrors, *MORE_MIRRORS[name])
    return [
        RemoteFile(file, tuple(mirror + file for mirror in mirrors), f"md5:{md5}", size)
        for (file, md5), size in zip(loader.resources, BYTES[name], strict=True)
    ]


def read(name, source, size, out):
    """The IDX files under `source` (.gz) into `out`; a split whose files are absent is left out."""
    from torchvision.datasets.mnist import read_image_file, read_label_file
    from torchvision.datasets.utils import extract_archive

    files = {file.name: file for file in official_files(name)}
    found = {path.name: path for path in source.rglob("*.gz") if path.name in files}
    splits = []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        pair = f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"
        if not set(pair) <= set(found):
            continue
        for file in pair:
            if not matches(found[file], files[file].checksum):
                raise DataError(
                    f"{name}: {file} is incomplete or altered (wrong md5 sum).",
                    found[file],
                    f"delete it and run: python -m data_scripts.prepare {name}",
                    name,
                )
        images, labels = (extract_archive(found[file], out.scratch) for file in pair)
        images = read_image_file(images).numpy()[:, None]
        out.add(split, images, read_label_file(labels).numpy())
        splits.append(split)
    if not splits:
        raise DataError(
            f"{name}: no complete pair of files (images and labels) found.",
            source,
            f"give the folder that holds {', '.join(files)}",
            name,
        )
    parts = "" if len(splits) == 2 else f", {splits[0]} part only"
    return CLASSES[name], f"{TITLES[name]}{parts}, from the authors' files (md5 checked)"


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
