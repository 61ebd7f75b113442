"""Define the exception for mistakes of the user: bad files, bad values, bad settings."""

HEAD, TAIL = 700, 250
"""Characters kept from the beginning and the end of a message that is too long."""


class InputError(ValueError):
    """A mistake in a file, value or setting that the user gave.

    The message is one line that names the file or setting, the value found and the remedy. A message that is too long
    is cut in its middle; line ends and control characters are removed. The tools print it and exit with code 2; from
    Python it is an ordinary ``ValueError``.
    """

    def __init__(self, message: str) -> None:
        # A worker of torch's DataLoader passes an error on as the last line of the text of its traceback.
        own = message.rpartition("\npcseg.errors.InputError: ")[2].strip()
        super().__init__(cut(one_line(cut(own, HEAD, TAIL)), HEAD, TAIL))


def cut(text: str, head: int, tail: int = 0) -> str:
    """Return ``text``, or its first ``head`` and last ``tail`` characters with "..." between them."""
    return text if len(text) <= head + tail else f"{text[:head]}...{text[len(text) - tail :]}"


def one_line(text: str) -> str:
    """Return ``text`` with a blank for each line end or unusual blank, and other unprintable characters as escapes."""
    if text.isprintable():
        return text
    printable = (c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape").decode() for c in text)
    return "".join(printable).strip()


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
