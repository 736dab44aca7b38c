"""Pix2Pix on lesion mask and atlas.

python launch/main.py --config=configs/pix2pix.py         # the paper, GPU or TPU
python launch/main.py --config=configs/pix2pix.py:demo    # minutes, two CPU cores

Networks, losses and numbers are in samr_jax/methods/pix2pix.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "pix2pix")
