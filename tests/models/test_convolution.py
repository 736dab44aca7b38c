"""Convolutions in every form, against XLA's own convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from samr_jax.models.convolution import (
    conv2d,
    cpu,
    forms,
    kernel_gradient,
    up_conv2d,
)
from samr_jax.runtime.errors import InputError

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def normal(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(values, jnp.float32)


def assert_same_map(ours, reference, x, kernel):
    """Same outputs, and same gradients by the input and by the kernel."""
    cotangent = normal(*jax.eval_shape(reference, x, kernel).shape, seed=1)

    def value_and_gradients(function):
        def run(x, kernel, cotangent):
            value, pull = jax.vjp(function, x, kernel)
            return value, *pull(cotangent)

        return jax.jit(run)(x, kernel, cotangent)

    for made, wanted in zip(
        value_and_gradients(ours), value_and_gradients(reference), strict=True
    ):
        assert made.shape == wanted.shape
        assert jnp.abs(made - wanted).max() <= 1e-5 * jnp.abs(wanted).max()


SMALLER_THRESHOLDS = {
    "as they are": {},
    "large work": {"WORK_WORTH_COMPILING": 0},
    "many channels in cache": {
        "WORK_WORTH_COMPILING": 0,
        "CHANNELS_WORTH_TRANSFORMING_IN_CACHE": 4,
    },
    "many channels": {"WORK_WORTH_COMPILING": 0, "CHANNELS_WORTH_TRANSFORMING": 4},
}
"""Thresholds under which small convolutions get the forms of large ones."""


@pytest.fixture(params=SMALLER_THRESHOLDS)
def thresholds(request, monkeypatch):
    """Gives small convolutions the forms of large ones, in several blocks."""
    for name, value in SMALLER_THRESHOLDS[request.param].items():
        monkeypatch.setattr(cpu, name, value)
        monkeypatch.setattr(kernel_gradient, "PIXELS_IN_CACHE", 100)


@pytest.mark.usefixtures("thresholds")
@pytest.mark.parametrize(
    ("size", "kernel", "strides", "padding"),
    [
        (16, 1, 1, 0),
        (16, 3, 1, 1),
        (18, 3, 1, 0),
        (16, 3, 2, 1),
        (17, 3, 2, 1),
        (22, 7, 1, 0),
        (16, 7, 1, 3),
        (16, 4, 2, 1),
        (16, 4, 2, 2),
        (17, 4, 2, 2),
        (15, 4, 2, 0),
        (9, 4, 1, 2),
        (9, 4, 1, 1),
    ],
)
@pytest.mark.parametrize("features", [1, 6])
def test_conv2d_is_the_padded_convolution(size, kernel, strides, padding, features):
    def reference(x, weights):
        pads = [(padding, padding)] * 2
        return lax.conv_general_dilated(
            x, weights, (strides, strides), pads, dimension_numbers=DIMENSIONS
        )

    def ours(x, weights):
        return conv2d(x, weights, strides=strides, padding=padding)

    x, weights = normal(2, size, size + 3, 5), normal(kernel, kernel, 5, features)
    assert_same_map(ours, reference, x, weights)


@pytest.mark.usefixtures("thresholds")
@pytest.mark.parametrize(("kernel", "pads"), [(2, (1, 1)), (3, (1, 2)), (4, (2, 2))])
@pytest.mark.parametrize("size", [(8, 6), (2, 3)])
def test_up_conv2d_is_the_transposed_convolution(kernel, pads, size):
    def reference(x, weights):
        return lax.conv_general_dilated(
            x,
            weights[::-1, ::-1],
            (1, 1),
            [pads] * 2,
            lhs_dilation=(2, 2),
            dimension_numbers=DIMENSIONS,
        )

    x, weights = normal(2, *size, 5), normal(kernel, kernel, 5, 3)
    assert_same_map(up_conv2d, reference, x, weights)


@pytest.mark.usefixtures("thresholds")
def test_convolutions_work_in_bfloat16():
    x, weights = normal(2, 16, 16, 4), normal(3, 3, 4, 4)
    low = [value.astype(jnp.bfloat16) for value in (x, weights)]

    def layers(x, weights):
        return up_conv2d(conv2d(x, weights, padding=1), weights)

    made, expected = jax.jit(layers)(*low), jax.jit(layers)(x, weights)
    assert made.dtype == jnp.bfloat16
    assert jnp.abs(made - expected).max() < 0.02 * jnp.abs(expected).max()
    gradients = jax.jit(jax.grad(lambda *a: layers(*a).sum(), (0, 1)))(*low)
    assert [gradient.dtype for gradient in gradients] == [jnp.bfloat16] * 2


@pytest.fixture
def large_work(monkeypatch):
    """Small convolutions count as large and wide."""
    monkeypatch.setattr(cpu, "WORK_WORTH_COMPILING", 0)
    monkeypatch.setattr(cpu, "CHANNELS_WORTH_TRANSFORMING", 64)
    monkeypatch.setattr(cpu, "CHANNELS_WORTH_TRANSFORMING_IN_CACHE", 16)
    monkeypatch.setattr(kernel_gradient, "PIXELS_IN_CACHE", 100)


def program(function, x, kernel, without=()):
    """The program of a convolution and its gradients, with all forms but some."""

    def run(x, kernel):
        value, pull = jax.vjp(function, x, kernel)
        return value, pull(value)

    with forms.using(*(forms.FORMS.keys() - set(without))):
        return jax.jit(run).lower(x, kernel).as_text()


SUITED = {
    "subpixel": (up_conv2d, (8, 8, 4), (3, 3, 4, 4)),
    "phases-apart": (up_conv2d, (8, 8, 4), (3, 3, 4, 4)),
    "one-column": (conv2d, (8, 8, 4), (3, 3, 4, 4)),
    "product": (conv2d, (8, 8, 4), (1, 1, 4, 4)),
    "winograd": (conv2d, (32, 32, 64), (3, 3, 64, 64)),
    "winograd-blocks": (conv2d, (32, 32, 16), (3, 3, 16, 16)),
    "row-blocks": (conv2d, (32, 32, 4), (3, 3, 4, 4)),
    "fold": (
        lambda x, kernel: conv2d(x, kernel, strides=2),
        (32, 32, 4),
        (4, 4, 4, 4),
    ),
    "one-feature": (conv2d, (16, 16, 4), (7, 7, 4, 1)),
}
"""Form -> a convolution, its input and its kernel that the form suits."""


@pytest.mark.usefixtures("large_work")
@pytest.mark.parametrize("form", forms.FORMS)
def test_every_form_can_be_switched_off(form):
    function, x, kernel = SUITED[form]
    operands = jnp.zeros((1, *x)), jnp.zeros(kernel)
    assert program(function, *operands) == program(function, *operands)
    assert program(function, *operands, [form]) != program(function, *operands)


@pytest.mark.usefixtures("large_work")
def test_without_any_form_a_convolution_is_xlas_own():
    x, kernel = jnp.zeros((1, 16, 16, 4)), jnp.zeros((3, 3, 4, 4))

    def by_xla(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, (1, 1), [(1, 1)] * 2, dimension_numbers=DIMENSIONS
        )

    def counted(text):
        return text.count("stablehlo.convolution"), text.count("stablehlo.dot_general")

    ours = program(
        lambda *operands: conv2d(*operands, padding=1), x, kernel, forms.FORMS
    )
    assert counted(ours) == counted(program(by_xla, x, kernel)) == (3, 0)


def test_the_environment_chooses_forms(monkeypatch):
    def chosen(value):
        monkeypatch.setenv(forms.VARIABLE, value)
        forms._from_environment.cache_clear()
        return {form for form in forms.FORMS if forms.uses(form)}

    try:
        assert chosen("") == set(forms.FORMS)
        assert chosen("none") == set()
        assert chosen("fold, winograd") == {"fold", "winograd"}
        with pytest.raises(InputError, match="SAMR_JAX_CPU_FORMS: 'fould', expected"):
            chosen("fould")
    finally:
        forms._from_environment.cache_clear()


def test_a_choice_of_forms_ends_with_its_block():
    with forms.using("fold"):
        assert forms.uses("fold") and not forms.uses("winograd")
    assert forms.uses("winograd")
    with pytest.raises(InputError, match="'fould'"), forms.using("fould"):
        pass
