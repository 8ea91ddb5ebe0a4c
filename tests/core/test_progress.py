"""What a run says of itself while it runs, and that saying it changes nothing."""

from __future__ import annotations

import io
import logging
import random
import re
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from rich.console import Console

from rl4lms.core import progress, progress_view
from rl4lms.core.progress import Count, clock, figure
from rl4lms.core.progress_view import shown, sparkline, view


@pytest.fixture(autouse=True)
def log_of_info(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, logger="rl4lms"):
        yield
    progress.begin("")


def drawn(width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(view(width))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def state_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten iterations of fifty in 20 s, after a start that took 5 s."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress.begin("train imdb/ppo/seed0")
    now[0] += 5
    progress.steps(0, 50, "iteration")
    for k in range(10):
        now[0] += 2
        progress.numbers({"reward": 0.5 + k / 100, "KL": 1e-9})
        progress.steps(k + 1, 50, "iteration")
    progress.numbers({"steps/s": 1234.5})
    progress.phase("rollout, step", 320, 512)
    progress.detail("token", 7, 48)


def test_the_view_has_all_of_it_on_four_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    state_of_a_run(monkeypatch)
    head, bar, numbers, doing = drawn(78)
    assert head == "train imdb/ppo/seed0" + " " * 38 + "0:25 gone, 1:20 left"
    assert bar.startswith("iteration 10/50 ━━━━━━━")
    assert bar.endswith(" 20 %")
    assert numbers == "reward 0.59 ▁▂▃▃▄▅▆▆▇█  KL 0   steps/s 1,234"
    assert doing == "rollout, step 320/512, token 7/48"


def test_the_view_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    state_of_a_run(monkeypatch)
    assert max(map(len, drawn(40))) <= 40


def evaluated_twice() -> None:
    """A reward of two parts, scores of two splits, and one sample whose texts a terminal must not obey."""
    progress.parts({"sentiment": 0.625, "length": -1.5})
    first = {"lexical/meteor": 0.25, "reward": 0.31, "reward_length": -2.0, "fluency_metrics/perplexity": 60.0}
    now = {"lexical/meteor": 0.251, "reward": 0.52, "reward_length": -1.0, "fluency_metrics/perplexity": 41.5}
    progress.scores("val", now, first)
    written = "a\r\nb\t\x1b[2J\x1b]0;title\x07 [bold]\u202e"
    progress.samples([("x" * 900 + " 終わり\nthe end:", "電影很好看" * 90, written)])


def test_below_it_stand_scores_with_their_change_and_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    state_of_a_run(monkeypatch)
    evaluated_twice()
    assert drawn(78)[2:] == [
        "reward 0.59 ▁▂▃▃▄▅▆▆▇█  KL 0   steps/s 1,234",
        "parts  sentiment 0.625  length -1.5",
        "rollout, step 320/512, token 7/48",
        "val  reward 0.52 (+0.21)  meteor 0.251 (+0.001)  perplexity 41.5 (-18.5)",
        "     reward_length -1 (+1)",
        "prompt  …" + "x" * 53 + " 終わり the end:",
        "before  " + "電影很好看" * 6 + "電影很好 …",  # half a character has no room
        r"now     a b \x1b[2J\x1b]0;title\x07 [bold]\u202e",
    ]
    progress.scores("test", {"reward": 0.5}, {})
    val, test = drawn(78)[5:7]
    assert val == "val  reward 0.52 (+0.21)  meteor 0.251 (+0.001)  perplexity 41.5 (-18.5) …"
    assert test == "test  reward 0.5"


def test_all_of_it_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    state_of_a_run(monkeypatch)
    evaluated_twice()
    assert drawn(50)[5:] == [
        "val  reward 0.52 (+0.21)  meteor 0.251 (+0.001)",
        "     perplexity 41.5 (-18.5) …",
        "prompt  …" + "x" * 25 + " 終わり the end:",
        "before  " + "電影很好看" * 4 + " …",
        r"now     a b \x1b[2J\x1b]0;title\x07 [bold]\u202e",
    ]
    for width in (1, 9, 20, 33):
        assert max(map(cell_len, drawn(width))) <= width


def test_of_a_sample_whose_first_text_is_not_known_the_present_one_is_shown() -> None:
    progress.begin("run")
    progress.samples([("Count:", None, "1 2"), ("", "", "")])
    assert drawn(78)[1:] == ["prompt  Count:", "now     1 2", "prompt", "before", "now"]


def test_a_change_that_is_too_small_to_be_shown_has_no_sign_of_its_own() -> None:
    progress.begin("run")
    progress.scores("val", {"a": 0.5, "b": 1.0, "new": 2.0}, {"a": 0.5 + 1e-9, "b": 1.00002})
    assert drawn(78)[1:] == ["val  a 0.5 (+0)  b 1 (-2e-05)  new 2"]


def test_a_line_has_all_of_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    state_of_a_run(monkeypatch)
    assert progress.state().line(time.monotonic()) == (
        "train imdb/ppo/seed0: iteration 10/50, rollout, step 320/512, token 7/48, reward 0.59, KL 0, steps/s 1,234, "
        "0:25 gone, 1:20 left"
    )


def test_what_remains_is_counted_from_where_a_resumed_run_began(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress.begin("run")
    progress.steps(40, 50, "iteration")
    assert progress.state().remaining(now[0]) is None
    now[0] = 6.0
    progress.steps(42, 50, "iteration")
    assert progress.state().remaining(now[0]) == pytest.approx(24.0)
    progress.steps(0, 3, "seed")  # another whole has its own clock
    assert progress.state().remaining(now[0]) is None


def test_what_remains_follows_from_the_budget_that_ends_the_run_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress.begin("run")
    progress.steps(0, 1000, "iteration", spent=0.0)
    now[0] = 6.0
    progress.steps(2, 1000, "iteration", spent=0.25)
    assert progress.state().remaining(now[0]) == pytest.approx(18.0)
    assert "25 %" in "".join(drawn(78)) and "iteration 2/1000" in "".join(drawn(78))
    progress.steps(9, 1000, "iteration", spent=1.02)
    assert progress.state().remaining(now[0]) == 0.0 and "100 %" in "".join(drawn(78))


def test_counts_clocks_figures_and_sparklines_read_well() -> None:
    assert [str(c) for c in (Count("saving"), Count("minibatch", 3), Count("token", 3, 9))] == [
        "saving",
        "minibatch 3",
        "token 3/9",
    ]
    assert [clock(s) for s in (0.4, 83, 7384)] == ["0:00", "1:23", "2:03:04"]
    assert [figure(x) for x in (1234.5, 12.345, -0.01234, 1e-9)] == ["1,234", "12.3", "-0.0123", "0"]
    assert sparkline(()) == sparkline((1.0,)) == ""
    assert sparkline((2.0, 2.0)) == "▁▁"
    assert sparkline(tuple(float(i) for i in range(1000)), 8) == "▁▂▃▄▅▆▇█"


def test_a_log_is_never_silent_for_longer_than_the_beat(caplog: pytest.LogCaptureFixture) -> None:
    progress.begin("other")
    with shown("evaluate imdb", beat_s=0.05):
        progress.phase("generating, batch", 2, 9)
        time.sleep(0.5)  # as a call into C would
    beats = [record for record in caplog.records if record.name == "rl4lms.progress"]
    assert 3 <= len(beats) <= 10
    said = re.compile(r"evaluate imdb: generating, batch 2/9, 0:0\d gone")
    assert all(said.fullmatch(record.getMessage()) for record in beats)
    assert "heartbeat" not in [thread.name for thread in threading.enumerate()]
    n = len(caplog.records)
    time.sleep(0.15)
    assert len(caplog.records) == n


def test_of_a_launch_the_first_process_alone_is_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream = terminal(monkeypatch)
    monkeypatch.setenv("RANK", "1")
    with shown("train", beat_s=0.02):
        time.sleep(0.2)
    assert (stream.getvalue(), caplog.records) == ("", [])


def test_a_log_that_speaks_by_itself_gets_no_beat(caplog: pytest.LogCaptureFixture) -> None:
    with shown("train", beat_s=0.3):
        for _ in range(10):
            logging.getLogger("rl4lms.training").info("a line")
            time.sleep(0.05)
    assert [record.getMessage() for record in caplog.records] == ["a line"] * 10


def test_being_shown_draws_from_no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    def seed() -> None:
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)

    terminal(monkeypatch)
    seed()
    expected = draw()
    seed()
    with shown("train", beat_s=0.01):
        progress.steps(1, 2, "iteration")
        progress.numbers({"reward": 1.0})
        time.sleep(0.4)
    assert draw() == expected


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch, kind: str = "xterm") -> Terminal:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setenv("COLUMNS", "80")
    return stream


def test_on_a_terminal_it_lives_and_the_log_scrolls_above(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    try:
        with shown("train imdb"):
            logging.getLogger("rl4lms.training").info("resumed after iteration 3")
            progress_view.lines.info("iteration 4: said by the view")
            progress.steps(4, 5, "iteration")
        logging.getLogger("rl4lms.training").info("afterwards")
        progress_view.lines.info("no view any more")
    finally:
        logging.getLogger().removeHandler(handler)
    text = stream.getvalue()
    assert "resumed after iteration 3" in text
    assert "said by the view" not in text
    assert text.endswith("80 %\nafterwards\nno view any more\n")
    assert handler.stream is stream


def test_the_last_line_of_a_terminal_says_where_the_results_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    where = f"results in /{'long/' * 30}run: model/"
    with shown("train imdb"):
        progress.steps(5, 5, "iteration")
        progress.results_lie(where)
    assert stream.getvalue().endswith(f"100 %\n{where}\n")


def test_after_an_error_the_view_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with pytest.raises(ZeroDivisionError), shown("train imdb"):
        raise ZeroDivisionError
    assert sys.stderr is stream
    last = stream.getvalue().rpartition("\x1b[?25h")[2]  # what follows the cursor's return
    assert "train imdb" not in last


@pytest.mark.parametrize(("quiet", "kind"), [(True, "xterm"), (False, "dumb"), (False, "")])
def test_quiet_and_dumb_terminals_get_no_view(quiet: bool, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch, kind)
    with shown("train", quiet=quiet):
        progress.steps(1, 2, "iteration")
    assert stream.getvalue() == ""
