"""Small variants of the training, as fields that differ from the paper's.

A method adds the size of its own networks. All methods on the same kind of data share
these numbers, so that their demos can be compared.
"""

from __future__ import annotations

_SMALL = {
    "data.size": 64,
    "data.subjects": 24,
    "data.slices": 8,
    "log_steps": 50,
    "eval_batch_size": 8,
}

PAIRED_DEMO = _SMALL | {
    "batch_size": 8,
    "learning_rate": 7e-4,
    "epochs": 24,
    "sample_epochs": 8.0,
    "eval_epochs": 12.0,
    "checkpoint_epochs": 4.0,
}
"""Minutes on two CPU cores, with paired data.

Each method that synthesizes also gets a pixel loss, which makes up for the days of
training that the paper has.
"""

UNPAIRED_DEMO = _SMALL | {
    "batch_size": 2,
    "learning_rate": 3e-4,
    "disc_lr_scale": 4.0,
    "epochs": 20,
    "sample_epochs": 5.0,
    "eval_epochs": 10.0,
    "checkpoint_epochs": 5.0,
    "model.ndf": 16,
    "model.disc_layers": 2,
    "model.downsamplings": 2,
    "model.blocks": 4,
    "loss.gan": "lsgan",
    "loss.distance_1": "cross_entropy",
    "loss.cyc_1": 25.0,
    "loss.cyc_2": 10.0,
    "loss.instance_noise": 0.1,
}
"""Minutes on two CPU cores, with unpaired data.

Without a pixel loss, the demo has more weight on the terms that have a target, and a
distance of domain 1 that learns small lesions. Three settings keep D1 and D2 useful:
least squares, instance noise, and a learning rate four times the generator's. At equal
rates the generator hid lesions in fine patterns faster than D2 learned to see them.
"""

PRETRAINED = {
    "batch_size": 2,
    "learning_rate": 1e-3,
    "epochs": 3,
    "log_steps": 20,
    "sample_epochs": 0.2,
    "eval_epochs": 1.0,
    "checkpoint_epochs": 0.1,
    "eval_batch_size": 4,
}
"""The paper's slices and data, hours on two CPU cores."""
