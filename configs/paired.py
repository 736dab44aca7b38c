"""CG-SAMR on paired data: the main job.

python launch/main.py --config=configs/paired.py         # the paper, GPU or TPU
python launch/main.py --config=configs/paired.py:demo    # minutes, two CPU cores
python launch/pretrain.py                                # the packaged weights

Networks, losses and numbers are in samr_jax/methods/cg_samr.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "paired")
