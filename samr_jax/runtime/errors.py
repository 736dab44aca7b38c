"""The exceptions that are meant for users; commands print them as one line."""


class InputError(ValueError):
    """Something that the user has given is wrong.

    The message is one line: which file or field, what was found, what was expected.
    Commands print it and exit with status 1; library callers catch a `ValueError`.
    """


class TrainingError(RuntimeError):
    """Training cannot go on although its input is right, say after divergence."""


class DivergenceError(TrainingError):
    """A value of the training is NaN or infinite."""
