"""What happens before the page is shown: the model, the masks, the browser."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from samr_jax.inference.anatomy import TissueMaps, read_anatomy
from samr_jax.page.masks import PageMask, read_mask
from samr_jax.page.studio import Studio
from samr_jax.pretrained import load_pretrained
from samr_jax.pretrained.load import MASK, PACKAGE
from samr_jax.runs.model import Model, load_model
from samr_jax.runtime.errors import InputError

_log = logging.getLogger(__name__)

EXAMPLE = "example.nii.gz"
"""Name of the packaged mask on the page."""


def load_studio(
    *,
    workdir: str | None,
    checkpoint: str,
    mask: str | None,
    labels: str,
    donors: Sequence[str],
    anatomy: str,
) -> tuple[Studio, int | str | None]:
    """Loads model and masks, and compiles the synthesis of a slice.

    Args:
      workdir: a trained run; None for the packaged weights.
      checkpoint: ``latest`` or ``best`` of the run.
      mask: the mask to begin with; None for the packaged example.
      labels: preset of the codes of all masks.
      donors: further mask files.
      anatomy: ``seed:N`` or ``average``.

    Returns:
      The studio, and the anatomy to begin with; None for a model that is told none.

    Raises:
      InputError: the run, a mask or the anatomy cannot be used.
    """
    model = load_model(workdir, which=checkpoint) if workdir else load_pretrained()
    told = _anatomy(anatomy, model)
    if not model.method.can_synthesize:
        raise InputError(
            f"--workdir={workdir}: {model.method.name} does not synthesize, expected "
            "another run"
        )
    masks = [
        read_mask(path, model, labels=labels, name=Path(path).name)
        for path in ([mask] if mask else []) + list(donors)
    ]
    if not mask:
        masks.insert(0, _example(model))
    studio = Studio(model, masks)
    _log.info("compiling the synthesis of a slice, which takes up to a minute")
    start = time.monotonic()
    studio.warm_up(told)
    _log.info("compiled in %.0f s", time.monotonic() - start)
    return studio, told


def open_in_browser(address: str) -> None:
    """Opens the address, where a browser with windows can be expected."""
    windows = any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if windows or sys.platform in ("darwin", "win32"):
        threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()


def _anatomy(text: str, model: Model) -> int | str | None:
    if "tissue" not in model.method.fields:
        return None
    anatomy = read_anatomy(text, model)
    if isinstance(anatomy, Path | TissueMaps):
        raise InputError(f"--anatomy={text}: not on the page, expected seed:N, average")
    return anatomy


def _example(model: Model) -> PageMask:
    """The packaged mask.

    Raises:
      InputError: the model has been trained in another space.
    """
    try:
        return read_mask(PACKAGE / MASK, model, labels="samr", name=EXAMPLE)
    except InputError as error:
        raise InputError(
            f"--mask missing: the packaged example does not fit this run ({error})"
        ) from None
