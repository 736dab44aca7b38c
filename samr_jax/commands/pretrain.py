"""Trains the weights that come with the package, scores them, and packs them.

    samr-jax pretrain --workdir=runs/pretrained

The command trains CG-SAMR with an individual's anatomy on the embedded dataset, in
stages of 64, 128 and 256 pixels, and a segmenter at 256, with the variants "pretrained"
of the configs anatomy and segmentation. Then it writes Table VI, with two rows that
need no network, and packs the weights into WORKDIR/package, whose files are the files
of samr_jax/pretrained/anatomy. For its folder dataset/further the training subjects are
drawn again, in slices below and above the slices of the training. The command takes
hours on two CPU cores. After a stop, the same command goes on.

    samr-jax pretrain --workdir=runs/pretrained --minutes=9

With --minutes the command saves its state in time and stops, for machines that end a
command after some minutes. It is done when WORKDIR/package exists, and that folder of a
few megabytes is all that has to be copied from the machine.
"""

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
_TIME = FLAGS.group("Time")
_MINUTES = _TIME.number(
    "minutes", 0.0, "Minutes after which the command saves and stops; 0: never.", 0.0
)


def main() -> None:
    from samr_jax.runtime.interruption import asked_to_stop_after

    with asked_to_stop_after(60 * _MINUTES.value):
        _pretrain(Path(_WORKDIR.value))


def _pretrain(workdir: Path) -> None:
    from samr_jax.runs.model import load_model
    from samr_jax.runtime.files import read_json
    from samr_jax.tables.make import make_table
    from samr_jax.tables.pack import pack
    from samr_jax.tables.rows import ANATOMY
    from samr_jax.tables.stages import last_stage, train_earlier_stages
    from samr_jax.tables.table_runs import TableRuns

    package = workdir / "package"
    if package.exists():
        raise InputError(f"{package}: exists already, expected another --workdir")
    train_earlier_stages(workdir)
    runs = TableRuns(
        workdir=workdir,
        configs=lambda row: last_stage(row, workdir),
        budget=ANATOMY,
    )
    table = make_table(6, runs, only=[ANATOMY.title])
    results = read_json(workdir / "table6.json")["results"]
    scores = {
        name: {
            "average": result["average"],
            "mask_follow": result["mask_follow"]["synthesized"]["dice"],
        }
        for name, result in results.items()
    }
    model = load_model(runs.directory(ANATOMY, 0))
    pack(model, runs.dataset, package, scores=scores, table=table.read_text())
    print(package)
