"""The tests. Importing this package makes JAX compile fast rather than run fast.

Tests run each program a few times only, so that compiling it takes nearly all of the
time. The settings are environment variables, which are set here because this package is
imported before JAX. The commands that a test starts inherit them and share the cache.
"""

import gc
import importlib.metadata
import os

_FLAGS = [
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
]
if importlib.metadata.version("jaxlib").startswith("0.10."):
    # The first flag halves the time of compiling, and the second one takes a tenth off.
    # XLA aborts on a flag that it does not know, and a later version may have dropped
    # one of them.
    _FLAGS += [
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_cpu_parallel_codegen_split_count=1",
    ]

os.environ.setdefault("XLA_FLAGS", " ".join(_FLAGS))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The cache on disk keeps every program, not only those that took a second to compile.
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# Tracing makes millions of objects, nearly all of which are freed without a collection.
gc.set_threshold(100_000, 20, 20)
