"""The flags that name mask files whose lesions training patients get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samr_jax.commands.frame.flags import Flags, Group
from samr_jax.runtime.errors import InputError

if TYPE_CHECKING:
    from samr_jax.inference.given_lesions import GivenLesions


class LesionFlags:
    """``--masks``, ``--labels`` and ``--masks_space``.

    Args:
      flags: all flags of the command.
      group: the flags' group on the help page.
      text: what ``--masks`` does.
    """

    def __init__(self, flags: Flags, group: Group, text: str) -> None:
        self._flags = flags
        self._masks = group.strings("masks", [], text, form="MASK,...")
        self._labels = group.string(
            "labels",
            "samr",
            "Codes of --masks, such as samr or brats2024.",
            form="PRESET",
        )
        self._space = group.choice(
            "masks_space",
            "dataset",
            ["dataset", "mni"],
            "Space of --masks: that of the dataset's atlas, or MNI152's, with which "
            "the atlas is then registered.",
        )

    def read(self) -> GivenLesions | None:
        """The lesions; None without ``--masks``.

        Raises:
          InputError: one of the other flags is given without ``--masks``, or a mask
            cannot be read.
        """
        from samr_jax.inference.given_lesions import read_lesions

        if self._masks.value:
            return read_lesions(
                self._masks.value, self._labels.value, self._space.value
            )
        for flag in ("labels", "masks_space"):
            if self._flags.given(flag):
                raise InputError(f"--{flag} without --masks, expected both")
        return None
