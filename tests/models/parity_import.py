"""Reads the reference vectors, and puts PyTorch's weights into our parameter trees.

How the layers of a network correspond is a list with one pair for every convolution and
norm: the prefix of PyTorch's names, and the path in our tree.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "parity"
STATISTICS = {"running_mean": "mean", "running_var": "var"}


class Reference:
    """The weights, inputs and outputs of a PyTorch network, from one file.

    Attributes:
      weights: PyTorch's name -> float32 array in PyTorch's layout.
      inputs: name -> NHWC array.
    """

    def __init__(self, name: str):
        with np.load(FOLDER / f"{name}.npz") as file:
            arrays = {key: file[key].astype(np.float32) for key in file.files}
        self._arrays = arrays
        self.weights = {
            key.removeprefix("param/"): value
            for key, value in arrays.items()
            if key.startswith("param/")
        }
        self.inputs = {
            key.removeprefix("in/"): channels_last(value)
            for key, value in arrays.items()
            if key.startswith("in/")
        }

    def outputs(self, mode: str) -> dict[str, np.ndarray]:
        """The NHWC outputs in 'train' or 'eval' mode; none if the file has none."""
        prefix = f"out/{mode}/"
        return {
            key.removeprefix(prefix): channels_last(value)
            for key, value in self._arrays.items()
            if key.startswith(prefix)
        }

    def variables(self, layers: Iterable[tuple[str, str]]) -> dict:
        """The weights as the variables of a Flax module.

        Args:
          layers: for each layer, PyTorch's prefix and our path, separated by slashes.

        Raises:
          KeyError: a layer has no weights, or weights of the file remain unused.
        """
        variables = {"params": {}, "batch_stats": {}}
        unused = dict(self.weights)
        for prefix, path in layers:
            names = [key for key in unused if key.rpartition(".")[0] == prefix]
            if not names:
                raise KeyError(prefix)
            transposed = "up_" in path
            for key in names:
                name = key.rpartition(".")[2]
                collection = "batch_stats" if name in STATISTICS else "params"
                name, value = _convert(name, unused.pop(key), transposed)
                _insert(variables[collection], f"{path}/{name}", value)
        if unused:
            raise KeyError(f"unused weights: {sorted(unused)}")
        return variables


def channels_last(x: np.ndarray) -> np.ndarray:
    """NCHW to NHWC."""
    return x.transpose(0, 2, 3, 1)


def _convert(name: str, value: np.ndarray, transposed: bool):
    """Turns PyTorch's name and array of one parameter into ours."""
    if value.ndim == 4:
        return "kernel", value.transpose(2, 3, 0, 1) if transposed else value.transpose(
            2, 3, 1, 0
        )
    return {**STATISTICS, "weight": "scale", "bias": "bias"}[name], value


def _insert(tree: dict, path: str, value: np.ndarray) -> None:
    *folders, leaf = path.split("/")
    for folder in folders:
        tree = tree.setdefault(folder, {})
    tree[leaf] = value


def encoder(prefix: str, path: str, downsamplings: int) -> list[tuple[str, str]]:
    """The layers of an encoder whose first convolution is ``{prefix}.1``."""
    names = ["stem", *(f"down_{i}" for i in range(downsamplings))]
    return [
        pair
        for i, name in enumerate(names)
        for pair in block(prefix, 3 * i + 1, f"{path}/{name}")
    ]


def block(prefix: str, index: int, path: str) -> list[tuple[str, str]]:
    """The convolution at `index` and the norm that follows it."""
    return [
        (f"{prefix}.{index}", f"{path}/conv"),
        (f"{prefix}.{index + 1}", f"{path}/norm"),
    ]


def residual_block(prefix: str, path: str) -> list[tuple[str, str]]:
    """The layers of a residual block."""
    body = f"{prefix}.conv_block"
    return [
        *block(body, 1, f"{path}/first"),
        (f"{body}.5", f"{path}/conv"),
        (f"{body}.6", f"{path}/norm"),
    ]


def head(prefix: str, path: str) -> list[tuple[str, str]]:
    """The layers of the released synthesis or confidence map module."""
    layers = [(f"{prefix}.conv{i + 1}", f"{path}/block_{i}/conv") for i in range(3)]
    return [*layers, (f"{prefix}.refine3", f"{path}/out")]


def branch(prefix: str, path: str, first: int, ups: int) -> list[tuple[str, str]]:
    """The layers of a branch whose first up-convolution has index `first`."""
    layers = [
        pair
        for i in range(ups)
        for pair in block(prefix, first + 3 * i, f"{path}/up_{i}")
    ]
    return [*layers, (f"{prefix}.{first + 3 * ups + 1}", f"{path}/out")]


def patch_discriminator(prefix: str, path: str, layers: int = 3):
    """The layers of a PatchGAN whose layer j is ``{prefix}_layer{j}``."""
    pairs = []
    for j in range(layers + 1):
        pairs.append((f"{prefix}_layer{j}.0", f"{path}/layer_{j}/conv"))
        if j:
            pairs.append((f"{prefix}_layer{j}.1", f"{path}/layer_{j}/norm"))
    return [*pairs, (f"{prefix}_layer{layers + 1}.0", f"{path}/logits")]


def pix2pix_unet(downsamplings: int = 5) -> list[tuple[str, str]]:
    """The layers of pix2pix's U-Net, whose blocks are nested in PyTorch."""
    prefix, innermost = "model.model", downsamplings - 1
    pairs = [(f"{prefix}.0", "down_0"), (f"{prefix}.3", "up_0")]
    for i in range(1, innermost):
        prefix = f"{prefix}.{1 if i == 1 else 3}.model"
        pairs += [
            (f"{prefix}.1", f"down_{i}"),
            (f"{prefix}.2", f"down_norm_{i}"),
            (f"{prefix}.5", f"up_{i}"),
            (f"{prefix}.6", f"up_norm_{i}"),
        ]
    prefix = f"{prefix}.3.model"
    return [
        *pairs,
        (f"{prefix}.1", f"down_{innermost}"),
        (f"{prefix}.3", f"up_{innermost}"),
        (f"{prefix}.4", f"up_norm_{innermost}"),
    ]
