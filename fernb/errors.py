"""Errors that a user can mend: one sentence that says what, where and how to go on.

The command line prints the sentence and ends with a non-zero exit; notebooks show it as
the last line of the traceback. Anything else that is raised is a bug of fernb.
"""


class FernbError(Exception):
    """Something that the user can mend; the message says how."""


class DataError(FernbError):
    """A data set that cannot be read: missing, cut off, of a wrong layout or with bad rows."""


class ImageError(FernbError):
    """A picture that cannot be read, or that holds nothing to work on."""


class VideoError(FernbError):
    """A video or camera that cannot be opened or read."""


class ModelError(FernbError):
    """A model or weight file that cannot be found, read or trusted."""
