"""MedNIST: 58,954 radiology images in six classes, from the MONAI project's archive."""

from helpers.datasets import tree, usable
from helpers.datasets.dataset import DataSet
from helpers.datasets.download import RemoteFile
from helpers.datasets.errors import DataError

CLASSES = ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT")
ARCHIVE = RemoteFile(
    "MedNIST.tar.gz",
    (
        "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/MedNIST.tar.gz",
        "https://www.dropbox.com/s/5wwskxctvcxiuea/MedNIST.tar.gz?dl=1",
    ),
    "md5:0bc7306e7427e00ad1c5526a6677552d",
    61_900_000,
)


def read(source, size, out):
    """The class folders under `source` (folder or archive) into `out`, without exact copies."""
    with tree.Tree(source, out.scratch, "mednist", ARCHIVE.name) as files:
        pictures = tree.one_spelling(tree.survey(files, out), CLASSES)
        known = [picture for picture in pictures if picture.class_name in CLASSES]
        strange = [picture for picture in pictures if picture.class_name not in CLASSES]
        examples = [picture.file for picture in strange]
        out.leave_out(len(strange), "class folder that MedNIST does not have", examples)
        missing = set(CLASSES) - {picture.class_name for picture in known}
        if missing:
            found = sorted({picture.class_name for picture in pictures})
            raise DataError(
                f"mednist: no pictures of {', '.join(sorted(missing))}; "
                f"found: {', '.join(found[:10])}.",
                files.source,
                f"give the archive or folder with {', '.join(CLASSES)}",
                "mednist",
            )
        kept = tree.without_duplicates(files, known, out)
        tree.write(files, kept, CLASSES, size, out)
    origin = "MedNIST (B. J. Erickson, Mayo Clinic), exact copies removed"
    return CLASSES, ". ".join([origin, *usable.few_pictures(usable.parts_of(out, CLASSES))])


MEDNIST = DataSet(
    name="mednist",
    sizes=(64,),
    licence="CC BY-SA 4.0 (B. J. Erickson, Department of Radiology, Mayo Clinic)",
    citation="MedNIST, gathered from TCIA, the RSNA Bone Age Challenge and the NIH Chest X-ray "
    "data set; made available by B. J. Erickson, Mayo Clinic.",
    files=lambda size: [ARCHIVE],
    read=read,
    sample="mednist",
)
