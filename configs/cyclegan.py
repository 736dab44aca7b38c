"""CycleGAN on unpaired data.

python launch/main.py --config=configs/cyclegan.py         # the paper, GPU or TPU
python launch/main.py --config=configs/cyclegan.py:demo    # minutes, two CPU cores

Networks, losses and numbers are in samr_jax/methods/cyclegan.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "cyclegan")
