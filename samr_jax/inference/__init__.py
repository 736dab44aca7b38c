"""Using a trained method: arrays, volumes, a patient's own space, training sets."""
