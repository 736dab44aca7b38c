"""The one exception that users are meant to see."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one line: which file or field, what was found, what was expected.
    Commands print it and exit with status 1; library callers catch a `ValueError`.
    """
