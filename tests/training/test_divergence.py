"""Numbers that are no numbers: found in time, named, and nothing saved of them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import samr_jax.training.loop
import samr_jax.training.step
from samr_jax import losses
from samr_jax.methods.base import Method
from samr_jax.methods.batch import decode
from samr_jax.methods.conditional_gan import Loss, discriminator_loss
from samr_jax.models.generator import Synthesis
from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runtime.errors import TrainingError

FIRST_BAD = 4
"""The step that goes wrong; checkpoints are due at 3 and 6, a log line at 5."""


class OneLayer(nn.Module):
    """The least that has parameters and batch statistics."""

    @nn.compact
    def __call__(self, batch, *, train):
        hidden = nn.Conv(2, (1, 1))(jnp.concatenate([batch.mask, batch.atlas], -1))
        return nn.BatchNorm(use_running_average=not train, momentum=0.5)(hidden)

    def synthesize(self, batch):
        return Synthesis(self(batch, train=False), None, None)


def l1(outputs, features, batch, method_state):
    del features, method_state
    loss = jnp.abs(outputs - batch.images).mean()
    return loss, {"l1": loss}


METHOD = Method("One layer", "atlas", ("labels", "images", "atlas"), OneLayer(), l1)


def poison_image(state, batch, bad):
    return state, batch.replace(images=batch.images.at[0, 3, 3, 0].set(bad))


def poison_parameter(state, batch, bad):
    # What an overflowing gradient leaves behind.
    params = jax.tree.map(lambda leaf: leaf.at[...].set(bad), state.gen.params)
    return state.replace(gen=state.gen.replace(params=params)), batch


def poison_statistic(state, batch, bad):
    stats = jax.tree.map(lambda leaf: leaf.at[0].set(bad), state.gen.stats)
    return state.replace(gen=state.gen.replace(stats=stats)), batch


POISONS = {
    "image": poison_image,
    "parameter": poison_parameter,
    "statistic": poison_statistic,
}


@pytest.fixture
def run(config, tmp_path, monkeypatch):
    """Trains the one layer, with poison in one step; returns its work directory."""
    config.epochs, config.constant_epochs = 5, 5
    config.log_steps = 5
    config.checkpoint_epochs = 1.5
    config.eval_epochs = config.sample_epochs = 100.0

    def train(poison, bad):
        make = samr_jax.training.loop.make_train_step

        def make_poisoned(*args, **kwargs):
            step = make(*args, **kwargs)

            def poisoned(state, stored):
                batch = decode(stored)
                worse, spoilt = poison(state, batch, bad)
                now = state.step + 1 == FIRST_BAD
                state, batch = jax.tree.map(
                    lambda a, b: jnp.where(now, a, b), (worse, spoilt), (state, batch)
                )
                return step(state, batch)

            return poisoned

        monkeypatch.setattr(
            samr_jax.training.loop, "build_method", lambda *_, **__: METHOD
        )
        monkeypatch.setattr(samr_jax.training.step, "decode", lambda batch: batch)
        monkeypatch.setattr(samr_jax.training.loop, "make_train_step", make_poisoned)
        samr_jax.training.loop.train_and_evaluate(config, tmp_path)

    return train


@pytest.mark.parametrize(
    "what, bad, named",
    [
        ("image", np.nan, "step 4: gen/total is nan"),
        ("image", np.inf, "step 4: gen/total is inf"),
        ("parameter", np.nan, "step 4: gen/total is nan"),
        ("statistic", np.nan, "step 5: gen/BatchNorm_0/mean is nan"),
        ("statistic", np.inf, "step 5: gen/BatchNorm_0/mean is inf"),
    ],
)
def test_stops_within_the_log_interval_and_names_it(run, tmp_path, what, bad, named):
    with pytest.raises(TrainingError) as caught:
        run(POISONS[what], bad)
    assert str(caught.value) == (
        f"{named}, expected a finite number; the last checkpoint is intact"
    )
    checkpoints = Checkpoints(tmp_path / "checkpoints", read_only=True)
    state, _ = checkpoints.read()
    checkpoints.close()
    assert state["step"] == 3
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def judged(logits):
    """D's loss, its terms and G's own, where D answers with these logits."""
    features = {
        side: [[jnp.full((1, 4, 4, 1), value)]] for side, value in logits.items()
    }
    total, terms = discriminator_loss(features, loss=Loss())
    fooled = losses.adversarial_loss(features["fake"], real=True, kind="bce")
    return float(total), float(terms["real"]), float(terms["fake"]), float(fooled)


def test_a_collapsed_game_shows_in_what_is_logged():
    lost = judged({"real": 0.0, "fake": 0.0})  # D tosses a coin
    assert lost == pytest.approx([np.log(2)] * 4, abs=1e-5)
    total, real, fake, fooled = judged({"real": 20.0, "fake": -20.0})  # D knows
    assert max(total, real, fake) < 1e-6 and fooled > 10
