"""The exceptions that are meant for users; commands print them as one line."""

_LONGEST = 1200
"""Most characters of a line. A file from a stranger may hold names of any length."""


class InputError(ValueError):
    """Something that the user has given is wrong.

    The message is one line: which file or field, what was found, what was expected.
    Commands print it and exit with status 1; library callers catch a `ValueError`. A
    message that quotes several lines is joined to one, and a very long one is cut.
    """

    def __init__(self, message: str = ""):
        super().__init__(one_line(message))


class TrainingError(RuntimeError):
    """Training cannot go on although its input is right, say after divergence."""


class DivergenceError(TrainingError):
    """A value of the training is NaN or infinite."""


def one_line(message: str) -> str:
    """A message without line ends, and without the middle of a very long one."""
    line = " ".join(message.splitlines())
    if len(line) <= _LONGEST:
        return line
    half = _LONGEST // 2
    return f"{line[:half]} [...] {line[-half:]}"
