"""Makes a table of the paper, or the one beyond it: trains what is missing, evaluates.

    python launch/tables.py --table=1                   # the embedded dataset, small
    python launch/tables.py --table=2 --data_dir=prepared --variant=paper --seeds=0,1,2

Tables 1 to 5 are the paper's. Table 6 has the methods that are told an individual's
anatomy. Writes table<N>.md and table<N>.json into the work directory, our numbers
beside the published ones. Run again, it takes what is finished and goes on with the
rest.

    python launch/tables.py --table=1 --data_dir=prepared --folds=5 --status

``--folds=5`` is a cross-validation by patient: every row is trained five times, with
atlas and intensity scale fitted to each fold's training patients, every patient is
tested once, and the numbers are over all patients. ``--status`` trains nothing: it
prints which runs are finished, and how many hours the others will take by steps that
it times.
"""

import ast
from functools import partial
from pathlib import Path

from absl import flags

from samr_jax.runtime.errors import InputError
from samr_jax.runtime.launching import run

_TABLE = flags.DEFINE_integer("table", None, "1 to 6.", required=True)
_VARIANT = flags.DEFINE_string(
    "variant", "demo", "Variant of the configs: demo or paper."
)
_WORKDIR = flags.DEFINE_string(
    "workdir", "runs/tables", "Directory of the runs and tables."
)
_DATA = flags.DEFINE_string(
    "data_dir", None, "A prepared dataset; by default the embedded one."
)
_SEEDS = flags.DEFINE_list("seeds", ["0"], "Seeds; each row has one run for each.")
_FOLDS = flags.DEFINE_integer(
    "folds", 0, "Folds of a cross-validation; 0 takes the dataset's own split.", 0
)
_STATUS = flags.DEFINE_bool("status", False, "Print what is left to do, and stop.")
_STEPS = flags.DEFINE_integer(
    "steps", None, "Optimizer steps of every run; by default its epochs say.", 1
)
_ONLY = flags.DEFINE_list("only", [], "Rows to take, by their titles.")
_SET = flags.DEFINE_multi_string(
    "set", [], "A config field of every run, such as data.size=32; may be repeated."
)


def main() -> None:
    from samr_jax.tables.make import make_table
    from samr_jax.tables.rows import TABLES
    from samr_jax.tables.status import status
    from samr_jax.tables.table_runs import TableRuns

    if _TABLE.value not in TABLES:
        raise InputError(f"--table={_TABLE.value}, expected 1 to {len(TABLES)}")
    runs = TableRuns(
        workdir=Path(_WORKDIR.value),
        configs=partial(read_config, variant=_VARIANT.value),
        budget=TABLES[_TABLE.value].budget,
        seeds=read_seeds(_SEEDS.value),
        overrides=read_overrides(),
        folds=_FOLDS.value,
    )
    if _STATUS.value:
        print(status(_TABLE.value, runs, only=_ONLY.value))
        return
    print(make_table(_TABLE.value, runs, only=_ONLY.value).read_text())


def read_config(name: str, variant: str):
    """The config of a row, in the variant that the flag names."""
    from samr_jax.config import named_config

    try:
        return named_config(name, variant)
    except ValueError as error:
        raise InputError(f"--variant: {error}") from error


def read_seeds(texts: list[str]) -> tuple[int, ...]:
    """Different whole numbers."""
    if not all(text.isdecimal() for text in texts) or len(set(texts)) < len(texts):
        raise InputError(f"--seeds={','.join(texts)}, expected such as 0,1,2")
    return tuple(map(int, texts))


def read_overrides() -> dict:
    """Config fields that flags set in every run."""
    overrides = {}
    for text in _SET.value:
        field, found, value = text.partition("=")
        if not found:
            raise InputError(f"--set={text}, expected field=value")
        try:
            overrides[field] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            overrides[field] = value
    if _DATA.value:
        overrides["data.dir"] = _DATA.value
    if _STEPS.value:
        overrides["steps"] = _STEPS.value
    return overrides


if __name__ == "__main__":
    run(main)
