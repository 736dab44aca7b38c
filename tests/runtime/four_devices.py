"""What several devices compute, against what one computes.

It runs in a process of its own, whose CPU is made to look like several devices:

    python -m tests.runtime.four_devices DATASET
"""

import sys

import jax
import numpy as np
import optax

from samr_jax.data.batches.paired import Batches
from samr_jax.data.dataset import open_dataset
from samr_jax.methods.batch import decode
from samr_jax.runs.model import Model, build_method
from samr_jax.runtime import parallel
from samr_jax.training.state import create_state
from samr_jax.training.step import make_train_step
from tests.faults.child import small_config


def main(directory: str) -> None:
    """Asserts that all ways of computing end with the same numbers."""
    dataset = open_dataset(directory)
    config = small_config(dataset.directory)
    method = build_method(config, dataset, axis_name=parallel.AXIS)
    optimizer = optax.adam(config.learning_rate, b1=config.adam_b1)
    step = make_train_step(method, optimizer=optimizer, seed=0, axis_name=parallel.AXIS)
    batches = Batches(
        dataset.split("train"), batch_size=4, seed=0, fields=method.fields
    )
    example = decode({key: array[:1] for key, array in batches[0].items()})
    state = parallel.to_host(
        create_state(method, jax.random.key(0), example, optimizer=optimizer)
    )
    ends = [
        take(run(step), state, batches)
        for run in (parallel.parallel_step, parallel.parallel_step_by_shard_map)
    ]
    assert int(ends[0][0].step) == 2
    for one, other in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_array_equal(one, other)
    leaves = map(jax.tree.leaves, (state.gen.params, ends[0][0].gen.params))
    assert any(not np.array_equal(*pair) for pair in zip(*leaves, strict=True))
    print(f"the same steps on {jax.device_count()} devices")

    # Untrained networks make images that are nearly black; larger weights make more.
    params = jax.tree.map(lambda array: 10 * array, state.gen.params)
    variables = {**state.gen.variables, "params": params}
    model = Model(method, variables, dataset, 0, state.method_state)
    inputs = {name: batches[0][name] for name in ("labels", "atlas")}
    divided = parallel.over_local_devices(inputs)
    devices = len(divided["labels"].sharding.device_set)
    # Three slices cannot be divided by four, so that one device takes all of them.
    three = {name: array[:3] for name, array in inputs.items()}
    assert isinstance(parallel.over_local_devices(three)["labels"], np.ndarray)
    images, of_three = (model.synthesize(x).images for x in (inputs, three))
    np.testing.assert_allclose(images[:3], of_three, atol=1e-5)
    assert np.abs(images[0] - images[1]).max() > 1e-3
    print(f"the same images on {devices} devices")


def take(step, state, batches) -> tuple:
    """State and metrics after two steps, as host arrays."""
    state, metrics = parallel.replicate(state), {}
    for index in range(2):
        state, metrics = step(state, parallel.shard(batches[index]))
        jax.block_until_ready(state)
    return parallel.to_host((state, metrics))


if __name__ == "__main__":
    main(*sys.argv[1:])
