"""CG-SAMR that is told an individual's anatomy: a variant beyond the paper.

A lesion mask and a group average do not say where a subject's sulci are. Here generator
and discriminators also see tissue maps (WM, GM, CSF): the subject's in training, and
those of any brain afterwards. The generator's branches are connected to both encoders
at every scale, so that borders need not pass through the bottleneck.

Results of the variant must not be ranked together with results of the paper's methods,
which are not told the anatomy of the images that they are compared with.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from samr_jax.labels import LESION_LABELS
from samr_jax.methods import cg_networks, cg_samr
from samr_jax.methods.base import Context, Method
from samr_jax.methods.batch import Batch
from samr_jax.methods.samr_settings import SMALL_NETWORKS
from samr_jax.methods.settings import Count, Share
from samr_jax.methods.variants import PAIRED_DEMO, PRETRAINED

PRIOR = "individual anatomy"
"""The anatomy prior's name in tables."""


@dataclasses.dataclass(frozen=True)
class Model(cg_samr.Model):
    """Networks of CG-SAMR, with connections.

    Attributes:
      skips: whether the branches are connected to both encoders at every scale.
      noise: channels of Gaussian noise from which the generator draws grain, see
        `samr_jax.models.grain.Grain`; 0 for none. The pixel loss compares images
        without their grain, which it would otherwise suppress, since no input
        determines where grain is bright.
    """

    skips: bool = True
    noise: Count = 0


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """How the tissue maps are used.

    Attributes:
      average_share: share of the training slices that come with the group's average
        maps, so that mask and atlas alone are enough after training.
      blank_lesions: whether the maps are set to 0 inside the lesion. If not, they have
        to say there what the brain would be without the lesion.
    """

    average_share: Share = 0.1
    blank_lesions: bool = True


@dataclasses.dataclass(frozen=True)
class Settings(cg_samr.Settings):
    """The settings of the variant; see `samr_jax.methods.cg_samr.Settings`.

    Attributes:
      model: networks.
      anatomy: use of the tissue maps.
    """

    model: Model = Model()
    anatomy: Anatomy = Anatomy()


_LEARNS_QUICKLY = {
    "model.norm": "affine_instance",
    "model.ndf": 16,
    "loss.gan": "lsgan",
    "loss.feature_distance": "l1",
    "loss.l1": 50.0,
    "loss.l1_label_weights": (1.0, 1.0, 4.0, 8.0, 8.0),
    "loss.confidence": 20.0,
    "loss.segmenter_learns_from_fake": False,
    "anatomy.blank_lesions": False,
}

_PACKAGED = (
    PRETRAINED
    | SMALL_NETWORKS
    | _LEARNS_QUICKLY
    | {
        "model.disc_layers": 3,
        "model.unet_depth": 4,
        "model.noise": 3,
        "loss.feature_matching": 1.0,
        "loss.l1": 25.0,
        "loss.texture": 200.0,
        "loss.l1_label_weights": (1.0, 1.0, 3.0, 5.0, 5.0),
        "loss.region_mean": True,
        "ema_decay": 0.99,
    }
)

VARIANTS = {
    "paper": {},
    "demo": PAIRED_DEMO | SMALL_NETWORKS | _LEARNS_QUICKLY,
    "pretrained": _PACKAGED,
    "patients": _PACKAGED
    | {
        "start_from": "packaged",
        "loss.texture": 20.0,
        "loss.lambda_cm_late": 0.1,
    },
}
"""``paper`` has the size and the numbers of the paper's CG-SAMR.

``demo`` takes minutes on two CPU cores. Its pixel loss keeps absolute intensities from
drifting. The embedded dataset's maps show the brain as if it had no lesion, so that
they need not be blanked.

``pretrained`` trains the packaged weights, in stages of growing slices
(`samr_jax.tables.stages`). All stages have the same networks. docs/training.md has
the trainings that led to its numbers.

``patients`` starts from the packaged weights, with patients of one's own. The tissue
maps of patients tell less of their detail than the phantom's do. With the phantom's
weight of the texture loss, noise takes the place of the detail that the maps leave out.
"""


class GeneratorSide(cg_networks.GeneratorSide):
    """G and U; G sees the tissue maps together with the mask.

    Attributes:
      blank_lesions: see `Anatomy`.
      noise: see `Model`. Noise that the batch does not bring is drawn.
    """

    blank_lesions: bool = True
    noise: int = 0

    def condition(self, batch: Batch) -> tuple[jax.Array, ...]:
        tissue = tissue_of(batch, blank_lesions=self.blank_lesions)
        inputs = jnp.concatenate([batch.mask, tissue], axis=-1), batch.atlas
        return (*inputs, self._noise(batch)) if self.noise else inputs

    def _noise(self, batch: Batch) -> jax.Array:
        if batch.noise is not None:
            return batch.noise
        shape = (*batch.mask.shape[:3], self.noise)
        return jax.random.normal(self.make_rng("dropout"), shape)


class DiscriminatorSide(cg_networks.DiscriminatorSide):
    """D, which sees the tissue maps together with the atlas.

    Attributes:
      blank_lesions: see `Anatomy`.
    """

    blank_lesions: bool = True

    def anatomy(self, batch: Batch) -> jax.Array:
        tissue = tissue_of(batch, blank_lesions=self.blank_lesions)
        return jnp.concatenate([super().anatomy(batch), tissue], axis=-1)


def tissue_of(batch: Batch, *, blank_lesions: bool) -> jax.Array:
    """The tissue maps ``(N, H, W, 3)``, with 0 inside the lesion if `blank_lesions`."""
    if not blank_lesions:
        return batch.tissue
    lesion = sum(batch.mask[..., code] for code in LESION_LABELS)
    return batch.tissue * (1 - lesion)[..., None]


def create(settings: Settings, context: Context) -> Method:
    """Builds the variant."""
    method = cg_samr.create_cg_samr(
        "CG-SAMR + anatomy", settings, context, skips=settings.model.skips
    )
    blank = {"blank_lesions": settings.anatomy.blank_lesions}
    gen: Any = method.gen
    disc: Any = method.disc
    return dataclasses.replace(
        method,
        prior=PRIOR,
        fields=(*method.fields, "tissue"),
        first_layers=tuple(
            (path, _with_tissue(fields)) for path, fields in method.first_layers
        ),
        average_tissue_share=settings.anatomy.average_share,
        noise=settings.model.noise,
        gen=GeneratorSide(
            gen.generator,
            gen.segmenter,
            gen.learns_from_fake,
            noise=settings.model.noise,
            **blank,
        ),
        disc=DiscriminatorSide(
            disc.discriminator, disc.use_atlas, disc.region_mean, **blank
        ),
    )


def _with_tissue(fields: tuple[str, ...]) -> tuple[str, ...]:
    """What a first layer sees: D's also see the tissue maps, before the images."""
    if fields[0] != "mask":
        return fields
    return (*fields[:-1], "tissue", fields[-1])
