"""The one container in which every data set of the course arrives."""

from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one split, with everything that is known about them.

    Attributes
    ----------
    images : uint8 array, (N, C, H, W), memory-mapped where large
    labels : int64 array, (N,), positions in `classes`
    classes : names of the classes
    groups : (N,) array or None; images of one patient share a value
    masks : bool array, (N, H, W), or None; True on the pixels of a lesion
    name, source : the data set's name; "real" or "sample"
    origin : one sentence for people: which data this is and where it came from
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray | None = None
    masks: np.ndarray | None = None
    name: str = ""
    source: str = "real"
    origin: str = field(default="", repr=False)

    def __post_init__(self):
        n = len(self.images)
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(
                f"{self.name}: images must be uint8 (N, C, H, W), "
                f"got {self.images.dtype} {self.images.shape}"
            )
        for what in ("labels", "groups", "masks"):
            value = getattr(self, what)
            if value is not None and len(value) != n:
                raise ValueError(f"{self.name}: {len(value)} {what} for {n} images")

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        n, c, h, w = self.images.shape
        shape = f"{n} × {c}×{h}×{w}"
        return f"<ImageSet {self.name} ({self.source}): {shape}, {len(self.classes)} classes>"

    def take(self, index):
        """The images at `index` (integer array, boolean array or slice), as an ImageSet."""
        parts = {
            what: value[index]
            for what in ("images", "labels", "groups", "masks")
            if (value := getattr(self, what)) is not None
        }
        return replace(self, **parts)

    def of_class(self, *names):
        """The images of the classes `names`, in their order in the set."""
        unknown = set(names) - set(self.classes)
        if unknown:
            raise ValueError(
                f"{self.name} has no class {sorted(unknown)}; its classes: {list(self.classes)}"
            )
        wanted = [self.classes.index(name) for name in names]
        return self.take(np.isin(self.labels, wanted))

    def shrink(self, factor):
        """Images of 1/factor the side: means of factor × factor pixels; of masks, majorities."""
        n, c, h, w = self.images.shape
        fitting = [f for f in range(1, min(h, w) + 1) if h % f == w % f == 0]
        if factor not in fitting:
            raise ValueError(
                f"{self.name}: images of {h}×{w} cannot be shrunk by {factor!r}; "
                f"factors that divide both sides: {', '.join(map(str, fitting))}"
            )
        blocks = (h // factor, factor, w // factor, factor)
        means = self.images.reshape(n, c, *blocks).mean((3, 5), dtype=np.float32)
        images = np.rint(means, out=means).astype(np.uint8)
        masks = self.masks
        if masks is not None:
            masks = masks.reshape(n, *blocks).mean((2, 4)) >= 0.5
        return replace(self, images=images, masks=masks)

    def draw(self, *sizes, seed):
        """Disjoint random parts of the given sizes, the same on every machine for one seed."""
        if min(sizes, default=0) < 0:
            raise ValueError(f"{self.name}: sizes are numbers of images, 0 or more; got {sizes}")
        if sum(sizes) > len(self):
            raise ValueError(f"{self.name}: {sizes} images asked for, there are {len(self)}")
        order = np.random.default_rng(seed).permutation(len(self))
        parts = np.split(order[: sum(sizes)], np.cumsum(sizes)[:-1])
        return [self.take(np.sort(part)) for part in parts]
