"""SAMR, the predecessor: neither synthesis nor confidence map modules.

python launch/main.py --config=configs/samr.py         # the paper, GPU or TPU
python launch/main.py --config=configs/samr.py:demo    # minutes, two CPU cores

Networks, losses and numbers are in samr_jax/methods/samr.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "samr")
