"""The exceptions that users are meant to see; commands print them as one line."""


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one line: which file or field, what was found, what was expected.
    Commands print it and exit with status 1; library callers catch a `ValueError`.
    """


class TrainingError(RuntimeError):
    """Training cannot go on though its input was right: say, it diverged."""
