"""Progress of long loops, on a terminal and in a log."""

import sys

import pytest

from samr_jax.runtime.progress import Lines, duration, progress

pytestmark = pytest.mark.quick


def lines_of(total, seconds_per_item):
    now, lines = [0.0], []
    shown = Lines(total, "masks", clock=lambda: now[0], write=lines.append)
    for _ in range(total):
        now[0] += seconds_per_item
        shown.update()
    return lines


def test_lines_are_rare_and_say_how_long_it_takes():
    assert lines_of(8, 6.0) == [
        "masks: 4 of 8, 24 s left",
        "masks: 8 of 8 in 48 s",
    ]
    assert lines_of(3, 90.0) == [
        "masks: 1 of 3, 3 min left",
        "masks: 2 of 3, 2 min left",  # 90 s, rounded
        "masks: 3 of 3 in 4 min",  # 270 s, rounded to even
    ]


def test_a_single_item_has_no_line():
    assert lines_of(1, 5.0) == []


def test_a_log_has_no_carriage_returns(capsys):
    with progress(3, "subjects") as shown:
        for _ in range(3):
            shown.update()
            with shown.aside():
                print("a line of its own")
    told = capsys.readouterr()
    assert told.err == "subjects: 3 of 3 in 0 s\n"
    assert told.out.count("a line of its own") == 3


def test_a_terminal_has_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(2, "subjects") as shown:
        shown.update()
        shown.update()
    assert "subjects: 100%" in capsys.readouterr().err


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3600, "1 h 0 min"),
        (11100, "3 h 5 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
