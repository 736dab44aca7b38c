"""Ablations (Table V): each changes exactly its part of the networks."""

import pytest

from tests.methods.method_cases import TERMS, ablated, parts_of

PARTS = ("stretch_out", "labelwise", "atlas", "shape_consistency", "confidence")

DECODER = "gen/generator/decoder/"
CHANGES = {
    "stretch_out": (DECODER + "branch_", DECODER + "heads_"),
    "labelwise": ("disc/",),
    "atlas": (
        "gen/generator/atlas_encoder/",
        "gen/generator/mask_encoder/",
        "disc/discriminator/",
    ),
    "shape_consistency": ("gen/segmenter/",),
    "confidence": (DECODER + "heads_", DECODER + "branch_"),
}
"""Ablation -> the parameters that it adds, removes or changes in shape."""


@pytest.mark.parametrize("part", PARTS)
def test_an_ablation_changes_exactly_its_part(part):
    (full, all_terms), (left, terms) = map(parts_of, (ablated(), ablated(part)))
    changed = {
        path for path in full.keys() | left.keys() if full.get(path) != left.get(path)
    }
    assert changed and all(path.startswith(CHANGES[part]) for path in changed)
    for prefix in CHANGES[part]:
        assert any(path.startswith(prefix) for path in changed), prefix
    if part == "atlas":
        # The discriminators lose its channels and nothing else.
        own = {path for path in changed if path.startswith("disc")}
        assert all(path.endswith("layer_0/conv/kernel") for path in own)
    if part == "confidence":
        # The last up-convolution no longer receives the trusted intermediate image.
        own = {path for path in changed if "branch_" in path}
        assert {path.split("branch_")[1][1:] for path in own} == {"/up_1/conv/kernel"}
    assert all_terms - terms == TERMS.get(part, set()) and terms <= all_terms
    assert ablated(part).prior == ("none" if part == "atlas" else "atlas")


def test_samr_differs_from_the_ablation_by_a_block_in_each_branch():
    samr, _ = parts_of(ablated(method="samr"))
    without, _ = parts_of(ablated("confidence"))
    added = samr.keys() - without.keys()
    assert without.items() <= samr.items()
    assert {path.split("/conv")[0].split("/norm")[0] for path in added} == {
        f"{DECODER}branch_{i}/trunk/block_0{part}"
        for i in range(2)
        for part in ("", "/first")
    }
