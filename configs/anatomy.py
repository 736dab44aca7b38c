"""CG-SAMR that is told an individual's anatomy: beyond the paper.

python launch/main.py --config=configs/anatomy.py         # the paper's size, GPU or TPU
python launch/main.py --config=configs/anatomy.py:demo    # minutes, two CPU cores
python launch/main.py --config=configs/anatomy.py:patients --config.data.dir=DATASET

Networks, losses and numbers are in samr_jax/methods/anatomy.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "anatomy")
