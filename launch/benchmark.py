"""Times synthesis and the training step on random data.

    python launch/benchmark.py --size=256 --batch=8 --steps=5

The last line on standard output is one JSON object. ``--count`` counts the work without
timing it, at any size. ``--forms`` prints a table of how much slower a CPU is without
each form of convolutions, for the networks of a config if one is given.

    python launch/benchmark.py --forms --config=configs/paired.py:demo --size=64
"""

import json

from absl import flags
from ml_collections import config_flags

from samr_jax.runtime.launching import loaded, run

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Method, networks and batch size; by default the paper's."
)
_SIZE = flags.DEFINE_integer("size", 256, "Rows and columns of a slice.", 16)
_BATCH = flags.DEFINE_integer(
    "batch", None, "Slices of a batch; by default the config's.", 1
)
_STEPS = flags.DEFINE_integer("steps", 5, "Number of timed calls.", 1)
_NGF = flags.DEFINE_integer(
    "ngf", None, "Channels of the first convolution; by default the config's.", 1
)
_ONLY = flags.DEFINE_enum("only", None, ["synthesis", "train"], "Time one of the two.")
_DATA = flags.DEFINE_bool("data", False, "Time reading and synthesis of a split, too.")
_KIND = flags.DEFINE_enum(
    "kind",
    "paired",
    ["paired", "unpaired"],
    "CG-SAMR or UCG-SAMR.",
)
_SEQUENCES = flags.DEFINE_integer("sequences", 5, "Number of MR sequences.", 1, 5)
_COUNT = flags.DEFINE_bool("count", False, "Count the work, without timing it.")
_FORMS = flags.DEFINE_bool("forms", False, "Compare forms of convolutions for CPUs.")
_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ["float32", "bfloat16"], "Type of activations."
)


def main() -> None:
    from samr_jax.benchmark.forms import compare_forms, savings_table
    from samr_jax.benchmark.measure import benchmark, count_work
    from samr_jax.config import default

    if _CONFIG.value is None:
        config = default({"paired": "cg_samr", "unpaired": "ucg_samr"}[_KIND.value])
    else:
        config = loaded(_CONFIG)
    config.batch_size = _BATCH.value or config.batch_size
    config.model.ngf = _NGF.value or config.model.ngf
    config.data.sequences = config.data.sequences[: _SEQUENCES.value]
    config.dtype = _DTYPE.value
    if _COUNT.value:
        print(json.dumps(count_work(config, size=_SIZE.value)))
        return
    parts = {
        "synthesis": _ONLY.value != "train",
        "train": _ONLY.value != "synthesis",
    }
    if _FORMS.value:
        savings = compare_forms(config, size=_SIZE.value, rounds=_STEPS.value, **parts)
        print(savings_table(savings))
        return
    result = benchmark(
        config,
        size=_SIZE.value,
        steps=_STEPS.value,
        data=_DATA.value,
        **parts,
    )
    print(json.dumps(result))


if __name__ == "__main__":
    run(main)
