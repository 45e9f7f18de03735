"""What the course knows about a data set: sizes, licence, addresses, reader, sample."""

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral

from helpers.datasets.download import RemoteFile


@dataclass(frozen=True)
class DataSet:
    """One data set.

    sizes : side lengths in pixels, the default first
    any_size : True where the original pictures can be resized to any side length
    files(size) : the official files, as RemoteFile
    read(source, size, out) : official files at the path `source` into the Writer `out`;
        returns the classes and one sentence on where the pictures came from
    sample : module in helpers.datasets.samples whose make(seed, size) makes the sample
    in_auto : True where the download is small enough to start unasked
    """

    name: str
    sizes: tuple[int, ...]
    licence: str
    citation: str
    files: Callable[[int], list[RemoteFile]] = field(repr=False)
    read: Callable = field(repr=False)
    sample: str
    in_auto: bool = False
    any_size: bool = False

    def checked_size(self, size):
        """`size`, or the default where it is None."""
        if size is None:
            return self.sizes[0]
        resized = self.any_size and isinstance(size, Integral) and 8 <= size <= 512
        if size in self.sizes or resized:
            return int(size)
        sizes = " or ".join(map(str, self.sizes))
        if self.any_size:
            sizes += ", and from the original pictures in any from 8 to 512"
        given = f"{size!r}, which is text: leave out the quotes" if isinstance(size, str) else size
        raise ValueError(f"{self.name} comes in size {sizes}, not {given}")
