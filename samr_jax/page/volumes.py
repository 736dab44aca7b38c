"""All slices as NIfTI files in a ZIP file, which are made while the page goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samr_jax.data.nifti import write_volume
from samr_jax.inference.samples import write_samples
from samr_jax.inference.synthesizer import Synthesizer
from samr_jax.inference.volumes import synthesize_volume
from samr_jax.page.choice import Choice
from samr_jax.page.studio import Studio
from samr_jax.runtime.errors import InputError


@dataclasses.dataclass
class Build:
    """A ZIP file that is being made, or has been.

    Attributes:
      path: the file, once `state` is ``ready``.
      state: ``working``, ``ready`` or ``failed``.
      label: what is being counted.
      done: how many of them are done.
      total: number of them.
      error: one line for the user if the build has failed.
    """

    path: Path
    state: str = "working"
    label: str = "slices"
    done: int = 0
    total: int = 1
    error: str = ""

    def status(self) -> dict[str, Any]:
        """The attributes that the page shows, JSON-ready."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "path"}

    def update(self) -> None:
        """Counts one more item; see `samr_jax.runtime.progress.Progress`."""
        self.done += 1

    def aside(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def show(self, total: int, label: str) -> Iterator[Build]:
        """Counts anew; see `samr_jax.runtime.progress.Show`."""
        self.label, self.done, self.total = label, 0, total
        yield self


class Builds:
    """Makes one ZIP file at a time, in a thread, and keeps the last one.

    Args:
      studio: makes the images.
    """

    def __init__(self, studio: Studio):
        self._studio = studio
        self._builds: dict[int, Build] = {}
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="samr-jax-page-")

    def start(self, choice: Choice) -> int:
        """Starts a build and returns its number.

        Raises:
          InputError: another build is not finished, or the mask is not loaded.
        """
        self._studio.masks[choice.mask]
        with self._lock:
            if any(build.state == "working" for build in self._builds.values()):
                raise InputError(
                    "download: another one is being made, expected one at a time"
                )
            for build in self._builds.values():
                build.path.unlink(missing_ok=True)
            number = max(self._builds, default=0) + 1
            path = Path(self._folder.name, f"samr-jax-{number}.zip")
            self._builds = {number: Build(path)}
            arguments = (choice, self._builds[number])
            threading.Thread(target=self._make, args=arguments, daemon=True).start()
            return number

    def __getitem__(self, number: int) -> Build:
        with self._lock:
            if number not in self._builds:
                raise InputError(f"download {number}: unknown, expected the last one")
            return self._builds[number]

    def _make(self, choice: Choice, build: Build) -> None:
        try:
            with tempfile.TemporaryDirectory(dir=self._folder.name) as scratch:
                folder = Path(scratch, "samr-jax")
                write_files(self._studio, choice, folder, build)
                _zip(folder, build.path)
            build.state = "ready"
        except InputError as error:
            build.error, build.state = str(error), "failed"
        except Exception:
            build.error = "download: failed, see the terminal of samr-jax page"
            build.state = "failed"
            raise


def write_files(studio: Studio, choice: Choice, folder: Path, build: Build) -> None:
    """Writes what ``samr-jax synthesize`` writes, and the masks that it came from.

    The folder ``masks`` has the mask before the edits, and the donors of the recipe.
    There ``samr-jax edit --mask=NAME --edit=../edit.json`` makes the edited mask again.

    Args:
      studio: has the model and the masks.
      choice: the mask and its edits.
      folder: new directory.
      build: shows the progress.
    """
    model, mask, recipe = studio.model, studio.masks[choice.mask], choice.recipe
    names = [mask.name, *(() if recipe is None else recipe.donors)]
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        for name in names:
            volume = studio.masks[name].volume
            write_volume(Path(scratch, name), volume.data, volume.affine)
        synthesizer = Synthesizer(
            model, anatomy=choice.anatomy, seed=choice.seed, samples=choice.samples
        )
        request = synthesizer.request(Path(scratch, mask.name))
        edit = None
        if recipe is not None:
            edit = functools.partial(studio.edited.edit, recipe=recipe)
        made = (
            synthesize_volume(
                model,
                mask.volume,
                edit=edit,
                anatomy=choice.anatomy,
                seed=seed,
                show=build.show,
            )
            for seed in range(choice.seed, choice.seed + choice.samples)
        )
        request = {**request, "edit": str(recipe or "")}
        write_samples(made, model, folder, request=request)
        shutil.copytree(scratch, folder / "masks")


def _zip(folder: Path, path: Path) -> None:
    """Packs a folder; its files are compressed already."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
