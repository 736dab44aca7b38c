"""Training that starts with the weights of another run.

The other run has the same method and networks of the same widths. Its slices may have
another size, since the networks are convolutions, and its sequences may be others:
branches and input channels are matched by the sequences' names. What the other run
lacks starts with random numbers, as do the optimizers and the method's own state, and
discriminators whose layers are others.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from samr_jax.labels import ATLAS_NEIGHBOURS, LABELS, TISSUES
from samr_jax.methods.base import Method
from samr_jax.pretrained import load_pretrained
from samr_jax.runs.checkpoint import Checkpoints
from samr_jax.runs.model import Model, load_model
from samr_jax.runs.provenance import provenance
from samr_jax.runtime.errors import InputError
from samr_jax.training.state import Player, TrainState

_log = logging.getLogger(__name__)

PACKAGED = "packaged"
"""Value of ``config.start_from`` for the weights that come with the package."""

_OF_SEQUENCE = re.compile(r"(branch|heads)_(\d+)")
"""Names of the modules that exist once for each sequence, with its position."""

Leaves = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Match:
    """Two orders of sequences, and which kernels have channels of each.

    Attributes:
      source: the other run's sequences.
      target: this run's.
      first_layers: see `samr_jax.methods.base.Method`.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    first_layers: tuple[tuple[str, tuple[str, ...]], ...]

    def path_in_source(self, path: str) -> str | None:
        """Name of a leaf's counterpart; None if it belongs to a new sequence."""
        return _renamed(path, self.target, self.source)

    def is_dropped(self, path: str) -> bool:
        """Whether a leaf of the source belongs to a sequence that is not used."""
        return _renamed(path, self.source, self.target) is None

    def fill(self, path: str, fresh: np.ndarray, found: np.ndarray) -> np.ndarray:
        """`found` in the shape of `fresh`, whose values new channels keep."""
        fields = next((f for end, f in self.first_layers if path.endswith(end)), None)
        if fields is None or self.source == self.target:
            return found
        theirs, ours = (_channels(fields, s) for s in (self.source, self.target))
        expected = (*fresh.shape[:2], len(theirs), fresh.shape[3])
        if found.shape != expected:
            raise InputError(f"{path} of shape {found.shape}, expected {expected}")
        filled = np.array(fresh)
        for i, channel in enumerate(ours):
            if channel in theirs:
                filled[:, :, i] = found[:, :, theirs.index(channel)]
        return filled


def start_from(
    source: str,
    state: TrainState,
    method: Method,
    *,
    name: str,
    sequences: Sequence[str],
) -> tuple[TrainState, dict[str, Any]]:
    """Puts the weights of another run into a new training state.

    Args:
      source: work directory of the other run, or `PACKAGED`.
      state: as `samr_jax.training.state.create_state` draws it.
      method: of this run.
      name: of the method's module.
      sequences: of this run.

    Returns:
      The state, and a JSON-ready record of what was taken.

    Raises:
      InputError: there is no such run, or its weights do not fit.
    """
    model, players = _open(source)
    try:
        match = _match(model, method, name, tuple(sequences))
        gen, new = _filled(state.gen, players["gen"], match)
        disc = state.disc
        if disc is not None:
            disc, others = _filled_or_new(disc, players.get("disc", {}), match)
            new += others
    except InputError as error:
        raise InputError(f"config.start_from={source}: {error}") from error
    record = {
        "from": provenance(model),
        "sequences": list(model.dataset.sequences),
        "new_networks": new,
    }
    return state.replace(gen=gen, disc=disc), record


def _open(source: str) -> tuple[Model, dict[str, Leaves]]:
    """A trained model, and the leaves of each side that its run keeps."""
    if source == PACKAGED:
        model = load_pretrained()
        return model, {"gen": _flat(model.variables)}
    model = load_model(source)
    checkpoints = Checkpoints(Path(source) / "checkpoints", read_only=True)
    state, _ = checkpoints.read()
    checkpoints.close()
    players = {"gen": _flat(model.variables)}
    if disc := state.get("disc"):
        stats = disc.get("stats") or {}
        players["disc"] = _flat({"params": disc["params"], "batch_stats": stats})
    return model, players


def _match(
    model: Model, method: Method, name: str, sequences: tuple[str, ...]
) -> Match:
    theirs = model.dataset.sequences
    if model.config["method"] != name:
        raise InputError(f"a run of {model.config['method']}, expected one of {name}")
    if theirs != sequences:
        if not method.first_layers:
            raise InputError(
                f"sequences {', '.join(theirs)}, expected {', '.join(sequences)}: "
                f"{method.name} cannot start with other sequences"
            )
        if not set(theirs) & set(sequences):
            raise InputError(
                f"sequences {', '.join(theirs)}, expected some of "
                f"{', '.join(sequences)}"
            )
    return Match(theirs, sequences, method.first_layers)


def _filled(player: Player, found: Leaves, match: Match) -> tuple[Player, list[str]]:
    """A side with the weights that were found, and the networks that stay random."""
    target = _flat({"params": player.params, "batch_stats": player.stats})
    known = {_network(path) for path in found}
    new = sorted({_network(path) for path in target} - known)
    used = {_network(path) for path in target} & known
    filled, taken = dict(target), set()
    for path, fresh in target.items():
        if _network(path) in new or (there := match.path_in_source(path)) is None:
            continue
        if there not in found:
            raise InputError(f"lacks {there}, expected the same networks")
        value = match.fill(path, fresh, found[there])
        if value.shape != fresh.shape:
            raise InputError(
                f"{there} of shape {value.shape}, expected {fresh.shape}: the same "
                "config.model"
            )
        filled[path] = np.asarray(value, fresh.dtype)
        taken.add(there)
    for path in sorted(found.keys() - taken):
        if _network(path) in used and not match.is_dropped(path):
            raise InputError(f"holds {path}, expected the same networks")
    tree = unflatten_dict(filled, sep="/")
    params = tree["params"]
    return player.replace(
        params=params,
        stats=tree.get("batch_stats", player.stats),
        ema=None if player.ema is None else params,
    ), new


def _filled_or_new(
    player: Player, found: Leaves, match: Match
) -> tuple[Player, list[str]]:
    """`_filled`, or the side as it is where the other run has other discriminators."""
    try:
        return _filled(player, found, match)
    except InputError as error:
        _log.info("discriminators start with random numbers: %s", error)
        return player, sorted({_network(p) for p in _flat({"params": player.params})})


def _flat(variables: Mapping[str, Any]) -> Leaves:
    """Leaves by names such as ``params/generator/trunk/block_0/conv/kernel``."""
    return flatten_dict(dict(variables), sep="/")


def _network(path: str) -> str:
    """Name of the network that a leaf belongs to, such as ``generator``."""
    return path.split("/")[1]


def _renamed(path: str, own: tuple[str, ...], other: tuple[str, ...]) -> str | None:
    """A leaf's name where the sequences have another order; None if it has none."""
    parts = path.split("/")
    for i, part in enumerate(parts):
        if found := _OF_SEQUENCE.fullmatch(part):
            position = int(found[2])
            if own == other or position >= len(own):
                continue
            if own[position] not in other:
                return None
            parts[i] = f"{found[1]}_{other.index(own[position])}"
    return "/".join(parts)


def _channels(fields: tuple[str, ...], sequences: tuple[str, ...]) -> list[tuple]:
    """What each input channel of a first layer shows."""
    each = {"atlas": ATLAS_NEIGHBOURS, "images": 1}
    fixed = {"mask": len(LABELS), "tissue": len(TISSUES)}
    channels: list[tuple] = []
    for field in fields:
        if field in fixed:
            channels += [(field, i) for i in range(fixed[field])]
        else:
            channels += [(field, s, i) for s in sequences for i in range(each[field])]
    return channels
