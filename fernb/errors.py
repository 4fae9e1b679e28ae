"""Errors that a user can mend: one sentence that says what, where and how to go on.

The command line prints the sentence and ends with a non-zero exit code; notebooks show it as
the last line of the traceback. Anything else that is raised is a bug of fernb.
"""


def printable(text: object) -> str:
    """Return ``text`` as one line that every terminal, log and table can take; names of files may hold anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


class FernbError(Exception):
    """Something that the user can mend; the message, one line, says how."""

    def __init__(self, message: str):
        super().__init__(printable(message))


class DataError(FernbError):
    """A data set that cannot be read: missing, cut off, of a wrong layout or with bad rows."""


class ImageError(FernbError):
    """An image that cannot be read, or that holds nothing to work on."""


class VideoError(FernbError):
    """A video or camera that cannot be opened or read."""


class ModelError(FernbError):
    """A model or weight file that cannot be found, read or trusted."""


class OutputError(FernbError):
    """A file that cannot be written: no space, no permission, no such folder."""
