"""Used by several at once: synthesis by threads, the dataset cache by processes."""

import concurrent.futures
import multiprocessing
import os

import numpy as np

import samr_jax
from samr_jax.data.atlas import stack_neighbours
from samr_jax.inference import api

THREADS = 6


def test_threads_synthesize_what_one_does_alone(trained, dataset):
    atlas = stack_neighbours(dataset.atlas)
    slices = dataset.split("train")
    masks = [slices[index]["labels"] for index in range(THREADS)]

    def call(index):
        return samr_jax.synthesize(
            masks[index], atlas[index % len(atlas)], checkpoint=str(trained)
        )

    alone = [call(index) for index in range(THREADS)]
    api._load.cache_clear()  # so that the threads also load the run at once
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(call, range(THREADS)))
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.confidence, theirs.confidence)


def build(cache, results):
    os.environ["SAMR_JAX_CACHE"] = cache
    from samr_jax.data.embedded import embedded_dataset

    made = embedded_dataset(
        size=32, subjects=3, slices=2, sequences=("T1w",), workers=1
    )
    labels = made.split("train")[0]["labels"]
    results.put((os.getpid(), made.content_hash, int(labels.sum())))


def test_processes_build_the_cached_dataset_once(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["samr_jax.data.embedded", "samr_jax.data.tfds_builder"]
    )
    results = context.Queue()
    processes = [
        context.Process(target=build, args=(str(tmp_path), results)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert len({pid for pid, *_ in found}) == 4
    assert len({tuple(rest) for _, *rest in found}) == 1
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(list(tmp_path.glob("phantom-*"))) == 1
    assert not list(tmp_path.glob(".*partial*"))
