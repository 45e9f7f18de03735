"""The errors that data raise, written for the person who reads them: at most four lines."""


def legible(text):
    """`text` with a replacement sign for what no file and no screen takes.

    The name of a file is bytes on Linux, and Python has signs for those that are no text.
    """
    return str(text).encode("utf-8", "surrogatepass").decode("utf-8", "replace")


class DataError(RuntimeError):
    """Data could not be had.

    what, where, todo : one line each: what failed, at which file or address, what to do
    name : the data set, for the last line, which says that its sample works now; "" for none
    """

    def __init__(self, what, where, todo, name):
        lines = [what, f"  Where: {where}", f"  To do: {todo}"]
        if name:
            lines.append(f'  Meanwhile, load("{name}", source="sample") works, without a network.')
        super().__init__("\n".join(" ".join(legible(line).splitlines()) for line in lines))
        self.what, self.where, self.todo = what, where, todo


class PictureError(ValueError):
    """A file that cannot be shown to a network, and what to do about it."""
