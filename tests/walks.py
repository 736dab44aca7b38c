"""What the walks of CONTRIBUTING.md promise: python -m tests.walks in a copy with them.

A check raises AssertionError, or any other error. It imports within itself, so that one
broken walk leaves the other checks alone.
"""

import json
import tempfile
import traceback
from pathlib import Path

import numpy as np


def loss():
    """The term is logged, and its weight is a field of the config."""
    import jax.numpy as jnp

    from samr_jax.config import default, method_of
    from samr_jax.losses import smoothness_loss
    from samr_jax.methods.base import Context
    from tests.methods.method_cases import parts_of
    from tests.tiny import shrink

    ramp = jnp.arange(8.0)[None, :, None, None] * jnp.ones((1, 8, 6, 2))
    assert float(smoothness_loss(ramp)) == 1.0
    config = shrink(default("cg_samr"))
    config.loss.smoothness = 0.1
    _, terms = parts_of(method_of(config, Context(sequences=2, size=(16, 16))))
    assert "smoothness" in terms


def method():
    """It trains, is evaluated, and can be loaded again."""
    from samr_jax.config import method_config
    from samr_jax.runs.model import load_model
    from samr_jax.training.loop import train_and_evaluate
    from tests.methods.method_cases import load
    from tests.tiny import shrink, tiny_dataset

    with tempfile.TemporaryDirectory() as folder:
        dataset = tiny_dataset(Path(folder) / "dataset")
        config = shrink(load("configs/two_layers.py", "demo"))
        assert config.model.channels == method_config("two_layers").model.channels
        config.data.dir = str(dataset.directory)
        result = train_and_evaluate(config, Path(folder) / "run")
        assert result["method"] == "Two layers" and result["step"] == 4
        model = load_model(Path(folder) / "run")
        item = dataset.split("test")[0]
        stored = {name: item[name][None] for name in ("labels", "atlas")}
        assert model.synthesize(stored).images.shape == (1, 32, 32, 2)


def sequence():
    """Its window is fixed, and files in BIDS are found."""
    from samr_jax.data.window import Window, fit_window
    from samr_jax.prepare.find.layouts import find_subjects
    from samr_jax.sequences import MRSequence

    flow = np.linspace(0, 60, 50)
    assert fit_window("CBF", flow, flow > 9) == Window(0.0, 100.0)
    assert MRSequence.named("CBF").label == "CBF (ml/100 g/min)"
    with tempfile.TemporaryDirectory() as folder:
        scans = Path(folder) / "sub-1" / "anat"
        scans.mkdir(parents=True)
        for name in ("T1w", "cbf"):
            (scans / f"sub-1_{name}.nii.gz").touch()
        (subject,) = find_subjects(folder).subjects
        assert {"T1w", "CBF"} <= set(subject.files)


def layout():
    """A folder is recognised; the preferred suffix counts, visits share a patient."""
    from samr_jax.prepare.find.layouts import find_subjects

    with tempfile.TemporaryDirectory() as folder:
        for visit in ("p7_v1", "p7_v2"):
            for suffix in ("T1", "FLAIR", "DarkFluid", "lesion"):
                (Path(folder) / f"{visit}.{suffix}.nii.gz").touch()
        found = find_subjects(folder)
    assert found.layout == "our-hospital" and found.labels == "samr"
    assert [subject.name for subject in found.subjects] == ["p7_v1", "p7_v2"]
    assert {subject.patient for subject in found.subjects} == {"p7"}
    assert found.subjects[0].files["FLAIR"].name == "p7_v1.DarkFluid.nii.gz"


def score():
    """Images that are wrong by a tenth of the range have that error in the brain."""
    from samr_jax.evaluation.scores.registry import slice_columns, slice_scores
    from samr_jax.evaluation.scores.score import ScoredSlices

    labels = np.zeros((2, 32, 32), np.uint8)
    labels[:, 8:24, 8:24] = 1
    real = np.zeros((2, 32, 32, 1))
    fake = real + 0.2 * (labels == 1)[..., None]
    scores = slice_scores(("T1w",))
    scores.add(ScoredSlices(fake, real, labels, ["a", "b"], [0, 0]))
    np.testing.assert_allclose(scores.summary()["average"]["mae"], 25.5)
    assert slice_columns()["mae"].heading == "MAE"


CHECKS = (loss, method, sequence, layout, score)

if __name__ == "__main__":
    failed = {}
    for check in CHECKS:
        try:
            check()
        except Exception:
            failed[check.__name__] = traceback.format_exc()
    print(json.dumps(failed))
