"""Times synthesis and the training step on random data.

    samr-jax benchmark --size=256 --batch=8 --steps=5
    samr-jax benchmark --config=paired:demo --size=64 --forms
    samr-jax benchmark --suite=gpu --minutes=9 --output=gpu.json
    samr-jax benchmark --suite=cpu --minutes=60 --output=cpu.json --compare=earlier.json

The last line on standard output is one JSON object. With --count the work is counted
without timing it, at any size. With --forms a table shows how much slower a CPU is
without each form of convolutions.

--suite=gpu measures what is worth a GPU's time, and --suite=cpu the paper's CG-SAMR at
64, 128 and 256 pixels. One process runs after the other, and --output is written after
each. The same command again measures what is missing.
"""

import json
from pathlib import Path

from samr_jax.commands.frame.config_flag import define_config
from samr_jax.commands.frame.flags import Flags

FLAGS = Flags()

_MODEL = FLAGS.group("Method and networks")
_CONFIG = define_config(
    _MODEL, "Method, networks and batch size; by default those of the paper."
)
_KIND = _MODEL.choice(
    "kind",
    "paired",
    ["paired", "unpaired"],
    "CG-SAMR or UCG-SAMR, if there is no --config.",
)
_SIZE = _MODEL.integer("size", 256, "Rows and columns of a slice.", 16)
_BATCH = _MODEL.integer(
    "batch", None, "Slices of a batch; by default as in the config.", 1
)
_NGF = _MODEL.integer(
    "ngf", None, "Channels of the first convolution; by default as in the config.", 1
)
_SEQUENCES = _MODEL.integer("sequences", 5, "Number of MR sequences.", 1, 5)
_DTYPE = _MODEL.choice(
    "dtype", "float32", ["float32", "bfloat16"], "Type of activations."
)

_MEASURED = FLAGS.group("What is measured")
_STEPS = _MEASURED.integer("steps", 5, "Number of timed calls.", 1)
_ONLY = _MEASURED.choice(
    "only", None, ["synthesis", "train"], "Time one of the two; by default both."
)
_DATA = _MEASURED.switch("data", "Also time reading and the synthesis of a split.")
_COUNT = _MEASURED.switch("count", "Count the work, without timing it.")
_FORMS = _MEASURED.switch("forms", "Compare forms of convolutions for CPUs.")
_COMPARE = _MEASURED.string(
    "compare",
    None,
    "JSON of an earlier benchmark or suite, to be shown beside this one.",
    form="FILE",
)

_SUITED = FLAGS.group("A suite of measurements")
_SUITE = _SUITED.choice(
    "suite",
    None,
    ["gpu", "cpu"],
    "Measure a suite; of the flags above --size (gpu), --steps and --compare.",
)
_OUTPUT = _SUITED.string(
    "output", "benchmark.json", "File that gets the results.", form="FILE"
)
_MINUTES = _SUITED.number(
    "minutes", 9.0, "Time after which nothing is started and what runs is cut.", 0.1
)
_PEER = _SUITED.string(
    "peer",
    "",
    "Command of another implementation of CG-SAMR to be timed on the same machine, "
    "such as 'python torch_peer.py'. It gets --size, --batch, --steps and, for "
    "bfloat16, --amp --compile, and prints JSON with synthesis_s and train_step_s.",
    form="COMMAND",
)


def main() -> None:
    from samr_jax.benchmark.compare import comparison
    from samr_jax.benchmark.forms import compare_forms, savings_table
    from samr_jax.benchmark.measure import benchmark, count_work
    from samr_jax.config import named_config
    from samr_jax.runtime.records import each, read_record, tree

    if _SUITE.value:
        _run_suite()
        return
    earlier = read_record(_COMPARE.value, each(tree)) if _COMPARE.value else None
    config = named_config(_KIND.value) if _CONFIG.value is None else _CONFIG.value
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
    if earlier:
        print(comparison(earlier, result))
    print(json.dumps(result))


def _run_suite() -> None:
    from samr_jax.benchmark.compare import suite_comparison
    from samr_jax.benchmark.suite import SUITES, read_suite, run_suite, suite_table

    earlier = read_suite(Path(_COMPARE.value)) if _COMPARE.value else {}
    results = run_suite(
        SUITES[_SUITE.value],
        Path(_OUTPUT.value),
        size=_SIZE.value,
        steps=_STEPS.value,
        seconds=60 * _MINUTES.value,
        peer=_PEER.value,
    )
    print(suite_table(results))
    if earlier:
        print(f"\n{suite_comparison(earlier, results)}")
