"""The generator side of UCG-SAMR: the streams of Fig. 5."""

from __future__ import annotations

import operator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from samr_jax.labels import LABELS
from samr_jax.methods.batch import Batch
from samr_jax.methods.two_domains import domain_1
from samr_jax.models.decoder import Synthesis


class GeneratorSide(nn.Module):
    """E1, F1, E2 and F2, and the streams of Fig. 5.

    Running statistics are those of what runs at test, F2(E1(x)) and F1(E2(y)): codes of
    the two domains need not be distributed alike, so that statistics of all streams
    together would fit none. In training each call is normalised by its own batch.
    """

    encoder_1: nn.Module
    encoder_2: nn.Module
    decoder_1: nn.Module
    decoder_2: nn.Module

    def __call__(self, batch: Batch, *, train: bool) -> dict[str, Any]:
        """Runs all streams.

        Returns:
          ``recon_1``, ``cross_1``, ``cyc_1``: x of the reconstruction (1 to 1), the
          cross-domain (2 to 1) and the cycle stream (1 to 2 to 1), ``(N, H, W, 8)``;
          ``recon_2``, ``cross_2``, ``cyc_2``: the same for y, a `Synthesis` each.
        """
        code_1 = self.encoder_1(domain_1(batch), train=train)
        code_2 = self.encoder_2(batch.images, train=train)
        cross_1 = self.decoder_1(code_2, train=train)
        cross_2 = self.decoder_2(code_1, train=train)
        (cycled_1,) = _untracked(self.encoder_2, cross_2.images, train=train)
        (cycled_2,) = _untracked(self.encoder_1, cross_1, train=train)
        recon_1, cyc_1 = _untracked(self.decoder_1, code_1, cycled_1, train=train)
        recon_2, cyc_2 = _untracked(self.decoder_2, code_2, cycled_2, train=train)
        return {
            "recon_1": recon_1,
            "recon_2": recon_2,
            "cross_1": cross_1,
            "cross_2": cross_2,
            "cyc_1": cyc_1,
            "cyc_2": cyc_2,
        }

    def synthesize(self, batch: Batch) -> Synthesis:
        """F2(E1(x))."""
        code = self.encoder_1(domain_1(batch), train=False)
        return self.decoder_2(code, train=False)

    def segment(self, batch: Batch) -> jax.Array:
        """Label probabilities of F1(E2(y))."""
        code = self.encoder_2(batch.images, train=False)
        return self.decoder_1(code, train=False)[..., : len(LABELS)]


def _untracked(module: nn.Module, *inputs: jax.Array, train: bool) -> list:
    """Calls a network on each input and leaves its running statistics alone.

    The calls are mapped, each with batch statistics of its own: one program that is
    compiled once and runs convolutions over all inputs.
    """
    if module.is_initializing():
        return [module(x, train=train) for x in inputs]
    unbound, variables = module.unbind()

    def call(x: jax.Array) -> Any:
        return unbound.apply(variables, x, train=train, mutable=["batch_stats"])[0]

    outputs = jax.vmap(call)(jnp.stack(inputs))
    return [jax.tree.map(operator.itemgetter(i), outputs) for i in range(len(inputs))]
