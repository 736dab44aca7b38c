"""Synthesizes training data from randomly manipulated masks of training patients.

    python launch/augment.py --workdir=runs/paired-demo --output=synthesized

The output is a dataset. With ``--mix`` it holds the real subjects, too, so that a
training on it sees real and synthesized images and is tested on real ones:

    python launch/main.py --config=configs/segmentation.py --config.data.dir=mixed
"""

from absl import flags

from samr_jax.runtime.launching import run

_WORKDIR = flags.DEFINE_string("workdir", None, "A trained run.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "New directory.", required=True)
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ["latest", "best"], "Which checkpoint of the run."
)
_DATA = flags.DEFINE_string(
    "data_dir", None, "Dataset; by default the one that the run was trained on."
)
_COUNT = flags.DEFINE_integer(
    "count", None, "Number of volumes; by default that of the training subjects.", 1
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the manipulations.", 0)
_JITTER = flags.DEFINE_boolean(
    "jitter", False, "Also move, turn, mirror and deform lesions; the paper does not."
)
_MIX = flags.DEFINE_boolean("mix", False, "Add the real subjects of all splits.")


def main() -> None:
    import tempfile
    from pathlib import Path

    from samr_jax.inference.augment import mixed, synthesized_set
    from samr_jax.runs.model import load_model
    from samr_jax.runs.workdir import read_config
    from samr_jax.training.data import training_dataset

    config = read_config(Path(_WORKDIR.value))
    if _DATA.value:
        config.data.dir = _DATA.value
    dataset = training_dataset(config)
    model = load_model(_WORKDIR.value, which=_CHECKPOINT.value)
    count = _COUNT.value or len(dataset.splits["train"])
    options = {"count": count, "seed": _SEED.value, "jitter": _JITTER.value}
    if not _MIX.value:
        written = synthesized_set(model, dataset, _OUTPUT.value, **options)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            further = synthesized_set(model, dataset, Path(scratch, "set"), **options)
            written = mixed(dataset, further, _OUTPUT.value, volumes=count)
    print(f"{written.directory}: {len(written.splits['train'])} training volumes")


if __name__ == "__main__":
    run(main)
