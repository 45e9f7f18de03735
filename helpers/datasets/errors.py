"""The errors that data raise, written for the person who reads them: at most four lines."""


class DataError(RuntimeError):
    """Data could not be had.

    what, where, todo : one line each: what failed, at which file or address, what to do
    name : the data set, for the last line, which says that its sample works now
    """

    def __init__(self, what, where, todo, name):
        lines = (
            what,
            f"  Where: {where}",
            f"  To do: {todo}",
            f'  Meanwhile, load("{name}", source="sample") works, without a network.',
        )
        super().__init__("\n".join(" ".join(str(line).splitlines()) for line in lines))
        self.what = what


class PictureError(ValueError):
    """A file that cannot be shown to a network, and what to do about it."""
