"""Shin et al.: Pix2Pix on lesion mask and the subject's own tissue maps.

python launch/main.py --config=configs/shin.py         # the paper, GPU or TPU
python launch/main.py --config=configs/shin.py:demo    # minutes, two CPU cores

Networks, losses and numbers are in samr_jax/methods/shin.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "shin")
