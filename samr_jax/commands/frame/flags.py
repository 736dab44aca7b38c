"""The flags of a command, in the groups that ``--help`` shows.

They are absl's flags in a `flags.FlagValues` of the command's own, so that modules of
several commands can be imported in one process.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any

from absl import flags

from samr_jax.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class Entry:
    """A flag as ``--help`` shows it.

    Attributes:
      form: how the value is written, such as ``FILE``; empty for a switch.
      text: description.
      required: whether the flag has to be given.
    """

    form: str
    text: str
    required: bool = False


@dataclasses.dataclass(frozen=True)
class Group:
    """Flags that belong together. The methods declare flags as absl's functions do.

    Attributes:
      title: heading in ``--help``.
      values: all flags of the command.
      entries: the flags of the group by name.
    """

    title: str
    values: flags.FlagValues
    entries: dict[str, Entry] = dataclasses.field(default_factory=dict)

    def string(
        self,
        name: str,
        default: str | None,
        text: str,
        *,
        form: str,
        required: bool = False,
    ) -> flags.FlagHolder[Any]:
        """A flag that takes any text."""
        self.entries[name] = Entry(form, text, required)
        return flags.DEFINE_string(name, default, text, flag_values=self.values)

    def strings(
        self,
        name: str,
        default: list[str] | None,
        text: str,
        *,
        form: str,
        required: bool = False,
    ) -> flags.FlagHolder[Any]:
        """A flag that takes texts with commas between them."""
        self.entries[name] = Entry(form, text, required)
        return flags.DEFINE_list(name, default, text, self.values)

    def repeated(self, name: str, text: str, *, form: str) -> flags.FlagHolder[Any]:
        """A flag that takes one text and may be given several times."""
        self.entries[name] = Entry(form, text)
        return flags.DEFINE_multi_string(name, [], text, self.values)

    def choice(
        self,
        name: str,
        default: str | None,
        choices: Sequence[str],
        text: str,
        *,
        required: bool = False,
    ) -> flags.FlagHolder[Any]:
        """A flag that takes one of several words."""
        self.entries[name] = Entry("|".join(choices), text, required)
        return flags.DEFINE_enum(name, default, choices, text, self.values)

    def integer(
        self,
        name: str,
        default: int | None,
        text: str,
        lowest: int | None = None,
        highest: int | None = None,
        *,
        required: bool = False,
    ) -> flags.FlagHolder[Any]:
        """A flag that takes a whole number."""
        self.entries[name] = Entry("N", text, required)
        return flags.DEFINE_integer(name, default, text, lowest, highest, self.values)

    def number(
        self, name: str, default: float | None, text: str, lowest: float | None = None
    ) -> flags.FlagHolder[Any]:
        """A flag that takes a finite number."""
        self.entries[name] = Entry("X", text)
        parser = _FiniteParser(lowest)
        serializer: Any = flags.ArgumentSerializer()
        return flags.DEFINE(parser, name, default, text, self.values, serializer)

    def switch(self, name: str, text: str) -> flags.FlagHolder[Any]:
        """A flag without a value; off by default."""
        self.entries[name] = Entry("", text)
        return flags.DEFINE_boolean(name, False, text, flag_values=self.values)


class _FiniteParser(flags.FloatParser):
    """A parser of numbers that refuses nan and inf, which absl's parser accepts."""

    def parse(self, argument: Any) -> float:
        number = super().parse(argument)
        if not math.isfinite(number):
            raise ValueError(f"{argument} is not a finite number")
        return number


class Flags:
    """The flags of one command.

    Attributes:
      values: the flags.
      groups: the flags again, in the order of ``--help``.
    """

    def __init__(self) -> None:
        self.values = flags.FlagValues()
        self.groups: list[Group] = []

    def group(self, title: str) -> Group:
        """A new group below the groups so far."""
        self.groups.append(Group(title, self.values))
        return self.groups[-1]

    def given(self, name: str) -> bool:
        """Whether the user has given a flag, even if it is the default's value."""
        return self.values[name].present > 0

    def parse(self, program: str, arguments: Sequence[str]) -> None:
        """Reads the flags that a user has given.

        Args:
          program: how the command is started, such as ``samr-jax train``.
          arguments: what follows it.

        Raises:
          InputError: a required flag is missing, or an argument is not a flag. Errors
            of absl, of config files and of their overrides are raised as they are.
        """
        arguments = self.values.read_flags_from_files(list(arguments))
        for text in arguments:
            if "\0" in text:
                raise InputError(f"flags: {text!r:.80} has a null character")
        # An empty value, as in "--mask=", is none.
        given = {re.sub(r"^--?|=.+$", "", text) for text in arguments}
        missing = [
            f"--{name}"
            for group in self.groups
            for name, entry in group.entries.items()
            if entry.required and name not in given
        ]
        if missing:
            raise InputError(
                f"{' and '.join(missing)} missing, expected with a value; "
                f"{program} --help describes all flags"
            )
        _, *others = self.values([program, *arguments])
        if others:
            raise InputError(f"flags: unexpected argument {others[0]!r}")
