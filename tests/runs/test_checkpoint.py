"""Checkpoints: whole, set aside, or refused; never silently another state."""

import numpy as np
import pytest

from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runtime.errors import InputError

pytestmark = pytest.mark.quick


def state(value):
    return {
        "gen": {"params": {"w": np.full((4, 3), value, np.float32)}, "ema": None},
        "step": np.asarray(value, np.int32),
    }


@pytest.fixture
def written(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step, score in ((1, 0.9), (2, 0.1), (3, None), (4, 0.2)):
        checkpoints.save(step, state(step), meta={"seed": 7}, score=score)
    checkpoints.close()
    return tmp_path


def damage(directory, step, how):
    files = [p for p in (directory / str(step) / "state").rglob("*") if p.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    how(largest)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_latest_and_best_stay(written):
    checkpoints = Checkpoints(written, read_only=True)
    assert checkpoints.steps() == [1, 3, 4] and checkpoints.best() == 1
    checkpoints.close()


def test_restores_what_was_saved(written):
    checkpoints = Checkpoints(written)
    found, meta = checkpoints.restore_latest(state(0))
    assert meta["seed"] == 7 and found["step"] == 4 and found["gen"]["ema"] is None
    np.testing.assert_array_equal(found["gen"]["params"]["w"], np.full((4, 3), 4.0))
    checkpoints.close()


@pytest.mark.parametrize("how", [truncate, flip_a_bit])
def test_damaged_checkpoints_are_set_aside_and_written_again(written, how, caplog):
    damage(written, 4, how)
    checkpoints = Checkpoints(written)
    found, _ = checkpoints.restore_latest(state(0))
    assert found["step"] == 3 and (written / "4.damaged").exists()
    assert "is damaged" in caplog.text
    checkpoints.save(4, state(40), meta={})
    checkpoints.wait()
    assert checkpoints.restore_latest(state(0))[0]["step"] == 40
    checkpoints.close()


def test_reading_a_damaged_checkpoint_is_one_line(written):
    damage(written, 4, truncate)
    checkpoints = Checkpoints(written, read_only=True)
    with pytest.raises(InputError, match="damaged checkpoint") as caught:
        checkpoints.read()
    assert "\n" not in str(caught.value)
    checkpoints.close()


def test_other_networks_are_refused_not_set_aside(written):
    checkpoints = Checkpoints(written)
    wider = state(0)
    wider["gen"]["params"]["w"] = np.zeros((4, 5), np.float32)
    with pytest.raises(InputError, match=r"gen/params/w is float32\(4, 3\), expected"):
        checkpoints.restore_latest(wider)
    more = state(0)
    more["gen"]["params"]["b"] = np.zeros(3, np.float32)
    with pytest.raises(InputError, match="lacks gen/params/b"):
        checkpoints.restore_latest(more)
    assert checkpoints.steps() == [1, 3, 4]
    checkpoints.close()


def test_a_save_that_orbax_declines_is_an_error(written):
    checkpoints = Checkpoints(written)
    with pytest.raises(Exception, match="3"):
        checkpoints.save(3, state(3), meta={})
    checkpoints.close()


def test_no_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore_latest(state(0)) is None
    with pytest.raises(InputError, match="no checkpoint, expected a trained run"):
        checkpoints.read()
    checkpoints.close()
