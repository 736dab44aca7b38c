"""Tables: what is printed is what was measured, beside what the paper printed."""

import numpy as np
import pytest

from samr_jax.evaluation.reports import published as paper
from samr_jax.evaluation.reports.markdown import PAPER_NOTE, SIMULATED_NOTE
from samr_jax.evaluation.reports.paper_tables import segmentation_table, table1
from samr_jax.evaluation.reports.summaries import (
    ablation_table,
    differences_table,
    methods_table,
    sequences_table,
)
from samr_jax.evaluation.scores.dice import DiceScores
from samr_jax.evaluation.scores.intervals import average_intervals
from samr_jax.evaluation.scores.registry import slice_scores
from samr_jax.evaluation.scores.score import ScoredSlices
from samr_jax.labels import CAVITY, EDEMA, TUMOR
from samr_jax.sequences import SEQUENCES

pytestmark = pytest.mark.quick


def evaluation(sequences=SEQUENCES, *, offset=0.1, prior="atlas"):
    """An evaluation in which every pixel is off by `offset`; no slice has a cavity."""
    rng = np.random.default_rng(0)
    real = rng.uniform(-0.8, 0.8, (5, 16, 16, len(sequences)))
    labels = rng.choice([EDEMA, TUMOR], (5, 16, 16))
    scores = slice_scores(sequences)
    scores.add(ScoredSlices(real + offset, real, labels, "abcde", range(5)))
    return {"anatomy_prior": prior, "split": "test", **scores.summary()}


def cells(markdown):
    """Rows of the table as lists of cells, without the rule."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in markdown.splitlines()
        if line.startswith("|")
    ]
    assert len({len(row) for row in rows}) == 1
    return [row for row in rows if not row[0].startswith(":-")]


def test_table1_has_the_paper_rows_and_columns():
    header, *rows = cells(table1({"CG-SAMR": evaluation()}, title="T"))
    assert header == ["Sequence", "Edema", "Cavity", "Tumor", "SSIM", "PSNR"]
    assert [row[0] for row in rows] == [*SEQUENCES, "**Avg.**"]


def test_table1_prints_what_was_measured_and_na_for_an_absent_label():
    result = evaluation()
    text = table1({"CG-SAMR": result}, title="T")
    assert (
        "- The annotation of these slices has edema and tumor, but no cavity: n/a."
        in (text.splitlines())
    )
    average = cells(text)[-1]
    # 0.1 of [-1, 1] is 12.75 of 255: within 16, and 20 dB·log10(255 / 12.75) = 26.0.
    assert average[1:4] == ["100.0", "n/a", "100.0"]
    assert average[4] == f"{result['average']['ssim']:.3f}"
    assert average[5] == "26.0"


@pytest.mark.parametrize("sequences", [("T1w",), ("a", "b", "c", "d", "e", "f")])
def test_table1_takes_any_sequences(sequences):
    rows = cells(table1({"m": evaluation(sequences)}, title="T"))
    assert [row[0] for row in rows] == ["Sequence", *sequences, "**Avg.**"]


def test_table1_sets_methods_side_by_side_with_their_settings():
    results = {
        "CG-SAMR": evaluation(),
        "Shin et al.": evaluation(offset=0.2, prior="the subject's own tissue"),
    }
    markdown = table1(results, title="Table I", notes=["One seed."])
    header, *rows = cells(markdown)
    assert header[1] == "CG-SAMR: Edema"
    assert header[6] == "Shin et al.: Edema"
    assert rows[-1][1] == "100.0"
    assert rows[-1][6] == "0.0"
    assert "- Shin et al.: anatomy prior: the subject's own tissue; test split" in (
        markdown
    )
    assert "5 slices of 5 subjects" in markdown
    assert markdown.startswith("# Table I\n")
    assert markdown.endswith("- One seed.\n")


def test_table1_puts_published_numbers_in_brackets():
    results = {"CG-SAMR": evaluation(), "mine": evaluation()}
    markdown = table1(results, title="T", published=paper.TABLE_1)
    average = cells(markdown)[-1]
    assert average[1:4] == ["100.0 (77.4)", "n/a (66.9)", "100.0 (69.0)"]
    assert average[6] == "100.0"
    assert PAPER_NOTE in markdown
    assert PAPER_NOTE not in table1({"mine": evaluation()}, title="T", published={})


def test_published_average_needs_the_same_sequences():
    rows = cells(
        table1({"SAMR": evaluation(SEQUENCES[:4])}, title="T", published=paper.TABLE_1)
    )
    assert rows[1][1] == "100.0 (73.3)"
    assert rows[-1][1] == "100.0"


def test_table1_prints_intervals_when_given():
    result = evaluation()
    result["intervals"] = average_intervals(result)
    last = cells(table1({"m": result}, title="T"))[-1]
    assert last[:4] == ["95 % interval", "100.0 to 100.0", "n/a", "100.0 to 100.0"]


def test_simulated_data_is_named_only_where_it_is():
    results = {"m": evaluation()}
    assert SIMULATED_NOTE in table1(results, title="T", simulated=True)
    assert "simulated" not in table1(results, title="T", simulated=False)


def test_segmentation_table_prints_dice_and_the_lesions_lost():
    reference = np.zeros((2, 4, 4), int)
    predicted = np.zeros((2, 4, 4), int)
    reference[0], predicted[0, :2] = TUMOR, TUMOR
    reference[1, 0], predicted[1, 1] = EDEMA, CAVITY
    counts = DiceScores((4.0, 1.0, 1.0))
    counts.add(predicted, reference, ["a", "a"], [0, 1])
    markdown = segmentation_table(
        {"UNIT": counts.summary()},
        title="Table IV",
        published=paper.TABLE_4,
        simulated=True,
    )
    header, row = cells(markdown)
    assert header[1:4] == ["Edema", "Cavity", "Tumor"]
    scores = dict(zip(header, row, strict=True))
    assert scores["Tumor"] == f"{2 * 8 / 24:.3f} (0.509)"
    assert scores["Edema"] == "0.000 (0.533)"
    assert scores["edema deleted"] == "1/1"
    assert scores["cavity deleted"] == "0/0"
    assert scores["cavity invented"] == "1"
    # 4 pixels of 4 mm3, in the only patient, who has no cavity.
    assert scores["cavity false ml"] == "0.02 (1/1)"
    assert scores["tumor false ml"] == scores["cavity HD95"] == "n/a"
    assert float(scores["tumor HD95"]) == pytest.approx(2, abs=0.1)
    assert SIMULATED_NOTE in markdown


def test_segmentation_table_says_which_labels_there_are():
    """The whole lesion is one label; a label that was missed everywhere is there."""
    labels = np.full((2, 8, 8), EDEMA)
    note = "The annotation of these slices has edema, but no cavity and no tumor: n/a."
    for found in (labels, labels * 0):
        scores = DiceScores((1.0, 1.0, 1.0))
        scores.add(found, labels, "ab", (0, 0))
        text = segmentation_table({"U-Net": scores.summary()}, title="T")
        assert f"- {note}" in text.splitlines()


def test_segmentation_table_prints_spread_interval_and_gain():
    scores = {"edema": 0.5, "cavity": None, "tumor": 0.25}
    result = {
        "dice": scores,
        "deleted": dict.fromkeys(scores, 1.5),
        "invented": dict.fromkeys(scores, 0),
        "slices": dict.fromkeys(scores, 3),
        "seeds": 2,
        "spread": {"dice": {"edema": 0.01, "cavity": None, "tumor": 0.02}},
        "intervals": {"edema": (0.4, 0.6), "cavity": None, "tumor": None},
    }
    edema = {"mean": 0.05, "interval": (-0.1, 0.2), "p_holm": 0.024, "comparisons": 7}
    gain = {"edema": edema, "cavity": None, "tumor": None}
    markdown = segmentation_table(
        {"a": {**result, "gain": gain}, "b": result}, title=""
    )
    header, first, second = cells(markdown)
    first, second = (dict(zip(header, row, strict=True)) for row in (first, second))
    assert first["Edema"] == "0.500 ± 0.010 [0.400 to 0.600]"
    assert first["Cavity"] == "n/a" and first["Tumor"] == "0.250 ± 0.020"
    assert first["edema gain"] == "+0.050 [-0.100 to +0.200], p .024"
    assert first["tumor gain"] == "n/a" and first["edema deleted"] == "1.5/3"
    assert "Holm's correction for 7 comparisons" in markdown
    assert second["edema gain"] == "n/a"
    assert "gain" not in segmentation_table({"b": result}, title="")


def test_methods_table_has_a_row_a_method_and_its_prior():
    results = {"SAMR": evaluation(), "mine": evaluation(prior="none")}
    markdown = methods_table(results, title="T", published=paper.TABLE_1)
    header, first, second = cells(markdown)
    assert header == ["Method", "Edema", "Cavity", "Tumor", "SSIM", "PSNR", "Prior"]
    assert first[1:3] == ["100.0 (74.8)", "n/a (66.1)"] and first[-1] == "atlas"
    assert second[1] == "100.0" and second[-1] == "none"


def test_differences_table_prints_means_intervals_and_corrected_p_values():
    known = {"mean": 1.25, "interval": (0.5, 2.0), "p_holm": 0.0004, "patients": 6}
    scores = dict.fromkeys(("edema", "cavity", "tumor", "ssim"))
    markdown = differences_table(
        {"SAMR": {**scores, "psnr": known}}, reference="CG-SAMR", title="T"
    )
    header, row = cells(markdown)
    assert header[0] == "CG-SAMR minus" and row[0] == "SAMR"
    assert row[1:] == ["n/a"] * 4 + ["+1.2 [+0.5 to +2.0], p < .001"]
    assert "the 1 comparisons" in markdown and "At most 6 patients" in markdown


def test_sequences_table_has_a_row_for_each_method_and_sequence():
    results = {"SAMR": evaluation(), "mine": evaluation(SEQUENCES[:2])}
    _, *rows = cells(sequences_table(results, title="T", published=paper.TABLE_1))
    places = [(m, s) for m, n in (("SAMR", 5), ("mine", 2)) for s in SEQUENCES[:n]]
    assert [tuple(row[:2]) for row in rows] == places
    assert rows[0][2] == "100.0 (73.3)" and rows[5][2] == "100.0"


def test_ablation_table_has_both_halves():
    dice = {"dice": {"edema": 0.1, "cavity": 0.2, "tumor": 0.3}}
    results = {"w/o Atlas": {**evaluation(), "dice": dice}}
    markdown = ablation_table(results, title="T", published=paper.TABLE_5)
    header, row = cells(markdown)
    row = dict(zip(header, row, strict=True))
    assert row["Dice cavity"] == "0.200 (0.710)"
    assert row["FLAIR"] == "100.0 (69.6)" and row["Avg."] == "100.0 (69.1)"
    assert "w/o Atlas: anatomy prior: atlas" in markdown


# As printed, these two are not the means of their columns.
ODD_AVERAGES = {("SynSeg-Net", "ssim"), ("w/o LSC", "lesion")}


@pytest.mark.parametrize("table", [paper.TABLE_1, paper.TABLE_3, paper.TABLE_5])
def test_published_averages_are_the_means_of_their_columns(table):
    """A slip of the pen in one number would show in its column's average."""
    for method, result in table.items():
        for score, average in result["average"].items():
            column = [row[score] for row in result["sequences"].values()]
            # Five rounded numbers and a rounded mean: within one last digit.
            digit = 0.001 if score == "ssim" else 0.1
            agrees = abs(np.mean(column) - average) <= digit * 1.01
            assert agrees != ((method, score) in ODD_AVERAGES), (method, score)


def test_published_gains_are_those_of_the_text():
    """Section V: gains over Shin et al.; IV-D: mean accuracy gains of UCG-SAMR."""
    ours, shin = (paper.TABLE_1[m]["average"] for m in ("CG-SAMR", "Shin et al."))
    gains = [round(ours[label] - shin[label], 1) for label in paper.COLUMNS[:3]]
    assert gains == [13.6, 11.5, 17.4]
    mean = {
        method: np.mean([result["average"][label] for label in paper.COLUMNS[:3]])
        for method, result in paper.TABLE_3.items()
    }
    for method, gain in {"CycleGAN": 17.7, "SynSeg-Net": 7.6, "UNIT": 4.3}.items():
        assert mean["UCG-SAMR"] - mean[method] == pytest.approx(gain, abs=0.1)


def test_published_tables_agree_with_each_other():
    """Table V's last row is CG-SAMR of Table II, and 'without LCM' is SAMR."""
    best = paper.TABLE_2["50% Synthesized + 50% Real (1080 + 1080)"]
    assert paper.TABLE_5["CG-SAMR"]["dice"] == best["CG-SAMR"]["dice"]
    assert paper.TABLE_5["w/o LCM"]["dice"] == best["SAMR"]["dice"]
