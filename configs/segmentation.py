"""The U-Net that segments, as in the augmentation experiment (section IV-B).

python launch/main.py --config=configs/segmentation.py         # the paper, GPU or TPU
python launch/main.py --config=configs/segmentation.py:demo    # minutes, two CPU cores

Networks, losses and numbers are in samr_jax/methods/segmentation.py.
"""

from functools import partial

from samr_jax.config import named_config

get_config = partial(named_config, "segmentation")
