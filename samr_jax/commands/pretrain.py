"""Trains the weights that come with the package, scores them, and packs them.

    samr-jax pretrain --workdir=runs/pretrained

The command trains CG-SAMR and a segmenter on the embedded dataset at 256 x 256, with
the variant "pretrained" of the configs paired and segmentation. Then it writes Table I,
with two rows that need no network, and packs the weights into WORKDIR/cg_samr, whose
files are those of samr_jax/pretrained/cg_samr. This takes hours on two CPU cores. After
a stop, the same command goes on.
"""

from functools import partial
from pathlib import Path

from samr_jax.commands.frame.flags import Flags
from samr_jax.runtime.errors import InputError

FLAGS = Flags()

_FILES = FLAGS.group("Output")
_WORKDIR = _FILES.string(
    "workdir",
    "runs/pretrained",
    "Directory of the runs, the table and the packed weights.",
    form="DIR",
)


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
