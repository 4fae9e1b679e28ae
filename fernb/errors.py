"""Errors that a user can mend: one sentence that says what, where and how to go on.

The command line prints the sentence and ends with a non-zero exit code; notebooks show it as
the last line of the traceback. Anything else that is raised is a bug of fernb.
"""


class FernbError(Exception):
    """Something that the user can mend; the message says how."""

    def __init__(self, message: str):
        # file names need not be UTF-8, but every terminal, log and JSON file must be able to take the message
        super().__init__(str(message).encode("utf-8", "backslashreplace").decode("utf-8"))


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
