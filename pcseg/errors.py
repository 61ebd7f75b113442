"""The one exception a user's mistake raises: bad files, bad values, bad settings."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one line that names the file or setting, the value found and the remedy. The tools print it
    and leave with exit code 2; from Python it is an ordinary ``ValueError``.
    """
