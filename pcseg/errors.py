"""The one exception a user's mistake raises: bad files, bad values, bad settings."""

HEAD, TAIL = 700, 250
"""Characters of the beginning and of the end of a message that are kept where it is longer than both."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one line that names the file or setting, the value found and the remedy; what a strange file makes too
    long is cut in its middle, and its line ends and control characters are not passed on. The tools print it and leave
    with exit code 2; from Python it is an ordinary ``ValueError``.
    """

    def __init__(self, message: str) -> None:
        # A worker of torch's DataLoader hands an error on inside the text of its traceback, of which it is the end.
        told = message.rpartition("\npcseg.errors.InputError: ")[2].strip()
        super().__init__(cut(one_line(cut(told, HEAD, TAIL)), HEAD, TAIL))


def cut(text: str, head: int, tail: int = 0) -> str:
    """``text``, or its first ``head`` and last ``tail`` characters with "..." for what is left out between them."""
    return text if len(text) <= head + tail else f"{text[:head]}...{text[len(text) - tail :]}"


def one_line(text: str) -> str:
    """``text`` with a blank for each line end or odd blank, and other characters that do not print written as escapes."""
    if text.isprintable():
        return text
    shown = (c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown).strip()


def reason(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
