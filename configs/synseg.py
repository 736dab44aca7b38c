"""SynSeg-Net on unpaired data.

python launch/main.py --config=configs/synseg.py         # the paper, GPU or TPU
python launch/main.py --config=configs/synseg.py:demo    # minutes, two CPU cores

Networks, losses and numbers are in samr_jax/methods/synseg.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "synseg")
