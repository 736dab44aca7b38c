"""Makes a table of the paper, and trains what is missing for it.

    samr-jax tables --table=1
    samr-jax tables --table=2 --data_dir=datasets/mine --variant=paper --seeds=0,1,2
    samr-jax tables --table=1 --data_dir=datasets/mine --folds=5 --status

Tables 1 to 5 are the tables of the paper. Table 6 compares the methods that are told an
individual's anatomy. The files table<N>.md and table<N>.json in the work directory hold
our numbers next to the published ones. Run again, the command keeps finished runs and
goes on with the others.

With --folds=5 there is a cross-validation by patient: every row is trained five times,
with atlas and intensity scale fitted to the training patients of each fold. Every
patient is tested once, and the numbers are over all patients.
"""

import ast
from functools import partial
from pathlib import Path

from samr_jax.commands.frame.flags import Flags
from samr_jax.commands.frame.lesion_flags import LesionFlags
from samr_jax.runtime.errors import InputError

FLAGS = Flags()

_TABLE_FLAGS = FLAGS.group("The table")
_TABLE = _TABLE_FLAGS.integer(
    "table", None, "Number of the table, 1 to 6.", required=True
)
_ONLY = _TABLE_FLAGS.strings(
    "only",
    [],
    "Rows to make, by title; table 2 also has the methods of table 6 that way.",
    form="TITLE,...",
)
_STATUS = _TABLE_FLAGS.switch(
    "status",
    "Train nothing; print which runs are finished, and how many hours the others will "
    "take, by timing some of their steps.",
)

_RUNS = FLAGS.group("Data and runs")
_DATA = _RUNS.string(
    "data_dir", None, "A prepared dataset; by default the embedded one.", form="DIR"
)
_WORKDIR = _RUNS.string(
    "workdir", "runs/tables", "Directory of the runs and tables.", form="DIR"
)
_VARIANT = _RUNS.string(
    "variant", "demo", "Variant of the configs: demo or paper.", form="VARIANT"
)
_SEEDS = _RUNS.strings(
    "seeds", ["0"], "Seeds; each row has one run for each.", form="N,..."
)
_FOLDS = _RUNS.integer(
    "folds", 0, "Folds of a cross-validation; 0 takes the dataset's own split.", 0
)
_TRAIN_PATIENTS = _RUNS.integer(
    "train_patients",
    None,
    "With --folds: training patients of every fold; by default all that it does not "
    "test or validate on. Give --steps, too: epochs of fewer patients are shorter.",
    1,
)
_SHARES = _RUNS.strings(
    "shares",
    [],
    "Table 2: further volumes for each real training volume; by default 1,0.5 as in "
    "the paper. Real volumes alone always have a row.",
    form="SHARE,...",
)
_LESIONS = LesionFlags(
    FLAGS,
    _RUNS,
    "Table 2: masks (files, folders or patterns) whose lesions the synthesized "
    "training data have; by default the lesions of training patients are edited.",
)
_STEPS = _RUNS.integer(
    "steps",
    None,
    "Optimizer steps of every run; by default the config's epochs decide.",
    1,
)
_LEARNING_RATES = _RUNS.strings(
    "learning_rates",
    [],
    "Every row is first trained shortly with each of these learning rates, and takes "
    "the one that scores best on validation patients; by default the config decides.",
    form="RATE,...",
)
_DISC_LR_SCALES = _RUNS.strings(
    "disc_lr_scales",
    ["1"],
    "With --learning_rates: learning rates of the discriminators to choose from, as "
    "multiples of the generator's.",
    form="FACTOR,...",
)
_TRIAL_STEPS = _RUNS.integer(
    "trial_steps", 200, "With --learning_rates: optimizer steps of each trial.", 1
)
_SET = _RUNS.repeated(
    "set",
    "A config field of every run, such as data.size=32; may be repeated.",
    form="FIELD=VALUE",
)
_SEGMENTER = _RUNS.repeated(
    "segmenter",
    "A config field of the U-Net that segments, such as steps=800. It overrides --set "
    "and --steps; may be repeated.",
    form="FIELD=VALUE",
)


def main() -> None:
    from samr_jax.tables.make import make_table
    from samr_jax.tables.rows import TABLES
    from samr_jax.tables.status import status
    from samr_jax.tables.table_runs import TableRuns

    if _TABLE.value not in TABLES:
        raise InputError(f"--table={_TABLE.value}, expected 1 to {len(TABLES)}")
    if _TRAIN_PATIENTS.value and not _FOLDS.value:
        raise InputError("--train_patients without --folds, expected both")
    if FLAGS.given("masks") and _TABLE.value != 2:
        raise InputError(
            f"--masks and --table={_TABLE.value}, expected --table=2, whose training "
            "data are synthesized from masks"
        )
    overrides = read_overrides()
    segmenter = read_fields("segmenter", _SEGMENTER.value)
    runs = TableRuns(
        workdir=Path(_WORKDIR.value),
        configs=partial(read_config, variant=_VARIANT.value),
        budget=TABLES[_TABLE.value].budget,
        seeds=read_seeds(_SEEDS.value),
        overrides=overrides,
        segmenter=segmenter,
        folds=_FOLDS.value,
        train_patients=_TRAIN_PATIENTS.value,
        lesions=_LESIONS.read(),
        shares=read_shares(),
        grid=read_grid({**overrides, **segmenter}),
    )
    if _STATUS.value:
        print(status(_TABLE.value, runs, only=_ONLY.value))
        return
    print(make_table(_TABLE.value, runs, only=_ONLY.value).read_text())


def read_shares() -> tuple[float, ...]:
    """The shares of --shares; without it, the paper's."""
    from samr_jax.tables.rows import SHARES

    if not _SHARES.value:
        return SHARES
    if _TABLE.value != 2:
        raise InputError(f"--shares and --table={_TABLE.value}, expected --table=2")
    return read_numbers("shares", _SHARES.value, "1,0.5")


def read_config(row, variant: str):
    """The config of a row, in the variant that the flag names or in the row's own."""
    from samr_jax.config import named_config

    try:
        return named_config(row.config, row.variant or variant)
    except ValueError as error:
        raise InputError(f"--variant: {error}") from error


def read_seeds(texts: list[str]) -> tuple[int, ...]:
    """Different whole numbers."""
    numbers = [text for text in texts if text.isdecimal() and len(text) < 10]
    if len(set(numbers)) < len(texts):
        raise InputError(f"--seeds={','.join(texts):.80}, expected such as 0,1,2")
    return tuple(map(int, numbers))


def read_grid(overrides: dict):
    """The learning rates that rows choose from; None without --learning_rates."""
    from samr_jax.tables.trials import Grid

    if not _LEARNING_RATES.value:
        for flag in ("disc_lr_scales", "trial_steps"):
            if FLAGS.given(flag):
                raise InputError(f"--{flag} without --learning_rates, expected both")
        return None
    for field in ("learning_rate", "disc_lr_scale"):
        if field in overrides:
            raise InputError(
                f"--set or --segmenter with {field}=... and --learning_rates, expected "
                "one of them: every row chooses this field"
            )
    return Grid(
        read_numbers("learning_rates", _LEARNING_RATES.value, "0.0003,0.001"),
        read_numbers("disc_lr_scales", _DISC_LR_SCALES.value, "1,4"),
        _TRIAL_STEPS.value,
    )


def read_numbers(flag: str, texts: list[str], example: str) -> tuple[float, ...]:
    """Different positive numbers."""
    try:
        found = tuple(map(float, texts))
    except ValueError:
        found = ()
    if not found or len(set(found)) < len(found) or not all(0 < x < 1e3 for x in found):
        raise InputError(f"--{flag}={','.join(texts):.80}, expected such as {example}")
    return found


def read_overrides() -> dict:
    """Config fields that flags set in every run."""
    overrides = read_fields("set", _SET.value)
    if _DATA.value:
        overrides["data.dir"] = _DATA.value
    if _STEPS.value:
        overrides["steps"] = _STEPS.value
    return overrides


def read_fields(flag: str, texts: list[str]) -> dict:
    """Config fields and their values; a value that is no Python literal is a string."""
    found = {}
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--{flag}={text}, expected field=value")
        try:
            found[field] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[field] = value
    return found
