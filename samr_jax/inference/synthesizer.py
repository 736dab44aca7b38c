"""One synthesis after the other with the same model and options."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samr_jax.data.atlas_space import AtlasSpace, read_atlas
from samr_jax.data.edits import edit_volume
from samr_jax.data.edits.volume import read_recipe
from samr_jax.data.likely_preset import likely_preset
from samr_jax.data.nifti import Volume, in_our_codes, read_labels
from samr_jax.inference.anatomy import Anatomy, anatomy_record, read_anatomy
from samr_jax.inference.api import model_of
from samr_jax.inference.patient import place_mask
from samr_jax.inference.samples import check_samples, write_samples
from samr_jax.inference.scanned_brain import put_into_scan
from samr_jax.inference.volumes import (
    SynthesizedVolume,
    log_warning,
    synthesize_volume,
)
from samr_jax.inference.written import check_sequences
from samr_jax.pretrained import load_pretrained
from samr_jax.runs.model import Model, load_model
from samr_jax.runs.provenance import weights_hash
from samr_jax.runtime.errors import InputError
from samr_jax.runtime.files import digest_of
from samr_jax.runtime.progress import Show, silent

_RANDOM = re.compile(r"random(,|$)")


@dataclasses.dataclass(frozen=True)
class Synthesizer:
    """What the syntheses of several masks have in common.

    Attributes:
      model: a trained one.
      labels: preset of the codes of masks and donors, see `samr_jax.labels.PRESETS`.
      edit: text of an edit of every mask, see `samr_jax.data.edits.edit_volume`; empty
        for none.
      donors: mask files that a random edit may use.
      reference: a patient's scans, see `samr_jax.inference.patient`; empty for none.
      atlas: by default the atlas of the model's training data.
      anatomy: the brain that the lesion is put into; None for the model's default. For
        the path of a T1w scan see `samr_jax.inference.scanned_brain`.
      seed: of the noise, for a model that sees noise.
      samples: number of syntheses of each mask, with the noise of this seed and of the
        following seeds.
      sequences: the sequences to write; None for all.
      png: whether to write slices as PNG, too.
      one_file: whether to write all sequences as one file of four dimensions.
      show: how the progress of one mask is shown, see `samr_jax.runtime.progress`.
    """

    model: Model
    labels: str = "samr"
    edit: str = ""
    donors: Sequence[str] = ()
    reference: Sequence[str] = ()
    atlas: AtlasSpace | None = None
    anatomy: Anatomy | Path | None = None
    seed: int = 0
    samples: int = 1
    sequences: Sequence[str] | None = None
    png: bool = False
    one_file: bool = False
    show: Show = silent

    def __post_init__(self):
        check_samples(self.samples, self.model)
        if self.reference and isinstance(self.anatomy, Path):
            raise InputError(
                f"anatomy: {self.anatomy} and a reference, expected only one of them: "
                "images are written on the voxels of either"
            )

    def __call__(self, mask: Path, output: Path) -> list[Path]:
        """Synthesizes the images of a mask file into a new directory.

        Returns:
          What `samr_jax.inference.samples.write_samples` returns.

        Raises:
          InputError: the mask or an option cannot be used, or the directory exists.
        """
        read = read_labels(mask)
        synthesize = self.prepare(in_our_codes(read, self.labels))
        other = likely_preset(read.data, self.labels)
        seeds = range(self.seed, self.seed + self.samples)
        return write_samples(
            (synthesize(seed=seed) for seed in seeds),
            self.model,
            output,
            request=self.request(mask),
            further={"codes_look_like": other} if other else None,
            sequences=self.sequences,
            png=self.png,
            one_file=self.one_file,
        )

    def prepare(self, mask: Volume) -> Callable[..., SynthesizedVolume]:
        """Makes ready to synthesize a label map of our codes.

        Returns:
          A function that takes the seed of the noise, ``seed=``.
        """
        options: dict[str, Any] = {
            "atlas": self.atlas,
            "show": self.show,
            # All samples of a mask have the same warnings.
            "warn": functools.cache(log_warning),
        }
        if self.edit:
            options["edit"] = functools.partial(
                edit_volume,
                edit=self.edit,
                donors=self.donors,
                donor_labels=self.labels,
            )
        if isinstance(self.anatomy, Path):
            placed, options["anatomy"] = put_into_scan(self.model, mask, self.anatomy)
            return functools.partial(placed.synthesize, self.model, **options)
        options["anatomy"] = self.anatomy
        if not self.reference:
            return functools.partial(synthesize_volume, self.model, mask, **options)
        prepared = self.model.config.get("data.dir")
        placed = place_mask(
            self.model,
            mask,
            self.reference,
            prepared=Path(prepared) if prepared else None,
        )
        return functools.partial(placed.synthesize, self.model, **options)

    def request(self, mask: Path) -> dict[str, Any]:
        """What the synthesis of a mask file depends on, as JSON.

        Files stand here by their content, so that no file and no patient is named. Two
        syntheses with the same request and the same versions are the same.
        """
        return {"mask": _content(mask), "labels": self.labels, **self._options}

    @functools.cached_property
    def _options(self) -> dict[str, Any]:
        """The part of a request that all masks share."""
        atlas, anatomy = self.atlas, self.anatomy
        if isinstance(anatomy, Path):
            brain: Any = _content(anatomy)
        else:
            brain = None if anatomy is None else anatomy_record(anatomy)
        return {
            "weights": f"sha256:{weights_hash(self.model)}",
            "atlas": None if atlas is None else _digest(atlas.volumes, atlas.brain),
            "anatomy": brain,
            "reference": [_scan_by_content(item) for item in self.reference],
            "edit": _edit_by_content(self.edit),
            "donors": [_content(path) for path in self.donors],
            "seed": self.seed,
            "samples": self.samples,
            "sequences": None if self.sequences is None else list(self.sequences),
            "png": self.png,
            "one_file": self.one_file,
        }


@functools.cache
def read_synthesizer(
    *,
    workdir: str = "",
    checkpoint: str = "latest",
    atlas: str = "",
    anatomy: str = "",
    **options: Any,
) -> Synthesizer:
    """Reads the files of a synthesizer; a process reads the same files once.

    Args:
      workdir: of a trained run; empty for the packaged weights.
      checkpoint: ``latest`` or ``best``, of the run.
      atlas: directory with ``SEQUENCE.nii.gz``; empty for that of the training data.
      anatomy: see `samr_jax.inference.anatomy.read_anatomy`; empty for the default.
      **options: other attributes of `Synthesizer`, each hashable.

    Raises:
      InputError: a file cannot be used.
    """
    model = load_model(workdir, which=checkpoint) if workdir else load_pretrained()
    check_sequences(options.get("sequences"), model.dataset)
    return Synthesizer(
        model=model,
        atlas=read_atlas(atlas, model.dataset) if atlas else None,
        anatomy=read_anatomy(anatomy, model) if anatomy else None,
        **options,
    )


def synthesize_file(
    mask: Path | str,
    output: Path | str,
    *,
    checkpoint: str | Path | Model | None = None,
    **options: Any,
) -> list[Path]:
    """Synthesizes the volumes of a lesion mask in NIfTI, as ``samr-jax synthesize``.

    Args:
      mask: a NIfTI file in the space of the training data, or on the voxels of the scan
        that the option ``reference`` names.
      output: new directory.
      checkpoint: work directory of a trained run, or a loaded model; by default the
        packaged weights, which were trained on simulated brains alone.
      **options: attributes of `Synthesizer`, such as ``labels="brats2023"``.

    Returns:
      The files: images, confidence maps, the label map and a picture.

    Raises:
      InputError: the mask or an option cannot be used, or the directory exists.
    """
    return Synthesizer(model_of(checkpoint), **options)(Path(mask), Path(output))


def _edit_by_content(edit: str) -> str:
    """An edit's text, in which hashes stand for the paths of donors."""
    if not edit or _RANDOM.match(edit):
        return edit
    recipe = read_recipe(edit)
    text = str(recipe)
    for donor in recipe.donors:
        text = text.replace(donor, _content(donor))
    return text


def _scan_by_content(item: str) -> str:
    """An item of the reference, in which a hash stands for the path of the scan."""
    name, equals, path = item.rpartition("=")
    return f"{name}{equals}{_content(path)}"


def _content(path: Path | str) -> str:
    try:
        return f"sha256:{digest_of(Path(path))}"
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror})") from error


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"sha256:{digest.hexdigest()}"
