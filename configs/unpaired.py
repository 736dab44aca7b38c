"""UCG-SAMR on unpaired data: masks of some subjects, images of others.

python launch/main.py --config=configs/unpaired.py         # the paper, GPU or TPU
python launch/main.py --config=configs/unpaired.py:demo    # minutes, two CPU cores

Networks, losses and numbers are in samr_jax/methods/ucg_samr.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "unpaired")
