"""Trains the weights that come with the package, scores them, and packs them.

    python launch/pretrain.py --workdir=runs/pretrained

Trains CG-SAMR and a segmenter on the embedded dataset at 256 x 256, with the variant
``pretrained`` of configs/paired.py and configs/segmentation.py. Then it writes Table I,
with two rows that need no network, and packs the weights into ``<workdir>/cg_samr``,
whose files are those of ``samr_jax/pretrained/cg_samr``. This takes hours on two CPU
cores; after a stop, the same command goes on.
"""

from functools import partial
from pathlib import Path

from absl import flags

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.launching import run

_WORKDIR = flags.DEFINE_string("workdir", "runs/pretrained", "Runs, table, package.")


def main() -> None:
    from samr_jax.config import named_config
    from samr_jax.runs.model import load_model
    from samr_jax.runtime.files import read_json
    from samr_jax.tables.make import make_table
    from samr_jax.tables.pack import pack
    from samr_jax.tables.rows import CG_SAMR
    from samr_jax.tables.table_runs import TableRuns

    workdir = Path(_WORKDIR.value)
    package = workdir / "cg_samr"
    if package.exists():
        raise InputError(f"{package}: exists already, expected another --workdir")
    runs = TableRuns(
        workdir=workdir,
        configs=partial(named_config, variant="pretrained"),
        budget=CG_SAMR,
    )
    table = make_table(1, runs, only=[CG_SAMR.title])
    results = read_json(workdir / "table1.json")["results"]
    scores = {
        name: {
            "average": result["average"],
            "mask_follow": result["mask_follow"]["synthesized"]["dice"],
        }
        for name, result in results.items()
    }
    model = load_model(workdir / CG_SAMR.key / "seed-0")
    pack(model, runs.dataset, package, scores=scores, table=table.read_text())
    print(package)


if __name__ == "__main__":
    run(main)
