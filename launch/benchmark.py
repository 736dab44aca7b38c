"""Times synthesis and the training step on random data.

    python launch/benchmark.py --size=256 --batch=8 --steps=5

Prints one JSON line, last on standard output. ``--count`` counts the work instead, in
seconds, at any size.
"""

import json

from absl import flags

from samr_jax.runtime.launching import run

_SIZE = flags.DEFINE_integer("size", 256, "Rows and columns of a slice.", 16)
_BATCH = flags.DEFINE_integer("batch", 8, "Slices of a batch.", 1)
_STEPS = flags.DEFINE_integer("steps", 5, "Timed calls.", 1)
_NGF = flags.DEFINE_integer("ngf", 16, "Channels of the first convolution.", 1)
_ONLY = flags.DEFINE_enum("only", None, ["synthesis", "train"], "Time one of the two.")
_DATA = flags.DEFINE_bool("data", False, "Time reading and whole splits, too.")
_KIND = flags.DEFINE_enum("kind", "paired", ["paired", "unpaired"], "What to train.")
_SEQUENCES = flags.DEFINE_integer("sequences", 5, "Of an image.", 1, 5)
_COUNT = flags.DEFINE_bool("count", False, "Count the work, without timing it.")
_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ["float32", "bfloat16"], "Of activations."
)


def main() -> None:
    from samr_jax.benchmark.measure import benchmark, count_work
    from samr_jax.config import default

    config = default({"paired": "cg_samr", "unpaired": "ucg_samr"}[_KIND.value])
    config.batch_size = _BATCH.value
    config.model.ngf = _NGF.value
    config.data.sequences = config.data.sequences[: _SEQUENCES.value]
    config.dtype = _DTYPE.value
    if _COUNT.value:
        print(json.dumps(count_work(config, size=_SIZE.value)))
        return
    result = benchmark(
        config,
        size=_SIZE.value,
        steps=_STEPS.value,
        synthesis=_ONLY.value != "train",
        train=_ONLY.value != "synthesis",
        data=_DATA.value,
    )
    print(json.dumps(result))


if __name__ == "__main__":
    run(main)
