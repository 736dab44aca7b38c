"""Pix2PixHD, with its local enhancer, on lesion mask and atlas.

python launch/main.py --config=configs/pix2pixhd.py         # the paper, GPU or TPU
python launch/main.py --config=configs/pix2pixhd.py:demo    # minutes, two CPU cores

Networks, losses and numbers are in samr_jax/methods/pix2pixhd.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "pix2pixhd")
