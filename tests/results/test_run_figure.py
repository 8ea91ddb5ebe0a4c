"""`python -m rl4lms plot`: which runs are one line, where the points lie, and what the picture says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from rl4lms.cli.main import main
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.results.palette import line_styles
from rl4lms.results.run_curves import LoggedGroup, band_of, named_columns
from rl4lms.results.run_figure import plot_groups
from rl4lms.results.run_groups import grouped

from .two_runs import CONFIG, MANIFEST, put

REWARD, KL, METEOR = "rollout/ep_rew_mean", "rollout/kl_mean", "val/lexical/meteor"


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def train(
    place: Path, rewards: list[float], tokens: list[int] | None = None, *, seed: int = 0, method: str = "ppo",
    ended: bool = True, **more: Any,
) -> Path:  # fmt: skip
    """A run of the pipeline that ended, or one of another kind (method "") in any directory."""
    named = {"method": method, "seed": seed, "suite": "tiny", "task": "common_gen"} if method else {"seed": seed}
    kept = {key: value for key, value in MANIFEST.items() if key not in ("task", "method", "suite")}
    put(place / "config.json", CONFIG | {"seed": seed} | more)
    put(place / "manifest.json", kept | named)
    rollouts = [{"iteration": k, REWARD: reward, KL: 0.01 * k} for k, reward in enumerate(rewards)]
    for row, n in zip(rollouts, tokens or (), strict=False):
        row["rollout/n_sampled_tokens"] = n
    lines(place / "rollout_info.jsonl", rollouts)
    epochs = [{"epoch": k, "metrics": {"lexical/meteor": 0.2 + 0.1 * k}} for k in (0, len(rewards))]
    lines(place / "val_split_metrics.jsonl", epochs)
    if ended:
        (place / "model").mkdir(exist_ok=True)
    return place


def curve(paths: list[Path], column: str, by: str, band: str = "range") -> list[list[float]]:
    (group,) = grouped(paths)
    found = LoggedGroup.read(group).pooled(column, by, band)
    assert found is not None
    return [part.tolist() for part in (found.x, found.mean, found.low, found.high)]


def test_seeds_are_pooled_by_iteration(tmp_path: Path) -> None:
    paths = [train(tmp_path / "a/seed0", [0.0, 1.0, 5.0]), train(tmp_path / "a/seed1", [2.0, 4.0], seed=1)]
    assert curve(paths, REWARD, "iterations") == [[0, 1], [1.0, 2.5], [0.0, 1.0], [2.0, 4.0]]


def test_seeds_are_pooled_at_equal_tokens(tmp_path: Path) -> None:
    one = train(tmp_path / "a/seed0", [0.0, 1.0, 2.0], [100, 200, 50])
    other = train(tmp_path / "a/seed1", [1.0, 3.0], [200, 70], seed=1)
    # At 100 tokens the second lies half way from 1 to 3; at 200 the first half way from 1 to 2.
    assert curve([one, other], REWARD, "tokens") == [[0, 100, 200], [0.5, 1.5, 2.25], [0, 1, 1.5], [1, 2, 3]]
    x, mean, *_ = curve([one, other], METEOR, "tokens")
    assert x == [0, 270] and mean == pytest.approx([0.2, (0.4 + 0.2 + 0.3 * 270 / 350) / 2])


def test_five_seeds_have_the_t_interval_of_their_mean(tmp_path: Path) -> None:
    paths = [train(tmp_path / f"a/seed{k}", [float(k), 1.0], seed=k) for k in range(5)]
    assert (band_of(grouped(paths)), band_of(grouped(paths[:4])), band_of(grouped(paths[:1]))) == (
        "t",
        "range",
        "range",
    )
    _, mean, low, high = curve(paths, REWARD, "iterations", "t")
    half = 2.7764451 * np.std(range(5), ddof=1) / np.sqrt(5)
    assert mean == [2.0, 1.0]
    assert (low, high) == (pytest.approx([2 - half, 1.0]), pytest.approx([2 + half, 1.0]))
    several = [*paths, *(train(tmp_path / f"b/seed{k}", [0.0, 1.0], seed=k, method="nlpo") for k in range(2))]
    assert band_of(grouped(several)) == "range", "one kind of band in a figure"


PERPLEXITY, FIVE = "fluency_metrics/perplexity", (2.0, 3.0, 4.0, 5.0, 900.0)


def with_perplexity(place: Path, values: list[float], seed: int, metric: str = PERPLEXITY) -> Path:
    train(place, [0.1] * len(values), seed=seed)
    lines(place / "val_split_metrics.jsonl", [{"epoch": k, "metrics": {metric: x}} for k, x in enumerate(values)])
    return place


def test_a_band_of_perplexity_ends_above_zero(tmp_path: Path) -> None:
    paths = [with_perplexity(tmp_path / f"a/seed{k}", [x, 7.0], k) for k, x in enumerate(FIVE)]
    logs = np.log(FIVE)
    mean, half = logs.mean(), 2.7764451 * logs.std(ddof=1) / np.sqrt(5)
    _, middle, low, high = curve(paths, f"val/{PERPLEXITY}", "iterations", "t")
    assert [middle[0], low[0], high[0]] == pytest.approx(np.exp([mean, mean - half, mean + half]))
    assert [middle[1], low[1], high[1]] == pytest.approx([7.0, 7.0, 7.0])
    _, middle, low, high = curve(paths, f"val/{PERPLEXITY}", "iterations", "range")
    assert (middle[0], low[0], high[0]) == (pytest.approx(np.exp(mean)), 2.0, 900.0)
    assert curve(paths[1:2], f"val/{PERPLEXITY}", "iterations", "t") == [[0, 1], *[[3.0, 7.0]] * 3]
    figure = plot_groups(grouped(paths))
    titles = [axis.get_title("left") for axis in figure.axes if axis.axison]
    assert titles == ["Reward", "KL (nats per token)", "Perplexity (validation), geometric mean"]
    single = plot_groups(grouped(paths[:1]), metrics=[PERPLEXITY])
    assert single.axes[0].get_title("left") == "Perplexity (validation)"


def test_params_say_which_scales_are_logarithmic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [with_perplexity(tmp_path / f"a/seed{k}", [x], k, "own") for k, x in enumerate((1.0, 100.0))]
    assert curve(paths, "val/own", "iterations")[1] == [50.5]
    grid = tmp_path / "grid"
    shutil.copytree(Path(__file__).parents[2] / "params", grid / "params")
    suite = grid / "params/suites/tiny/grue.yaml"
    suite.write_text("aggregate: {metrics: {own: {kind: task, worst: 9.0, best: 1.0, log: true}}}")
    monkeypatch.chdir(grid)
    assert curve(paths, "val/own", "iterations")[1] == [pytest.approx(10.0)], "by params of the working directory"
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    pair = [with_perplexity(tmp_path / f"b/seed{k}", [x], k) for k, x in enumerate((1.0, 100.0))]
    assert curve(pair, f"val/{PERPLEXITY}", "iterations")[1] == [pytest.approx(10.0)], "by the library's own"


def test_only_the_seed_may_differ(tmp_path: Path) -> None:
    def warm(seed: int, **more: Any) -> dict[str, Any]:
        policy = {"policy": {"args": {"model_name": f"warm/seed{seed}/model"}}}
        return {"alg": CONFIG["alg"] | policy | more}

    runs = [train(tmp_path / f"a/seed{k}", [0.0, 1.0], seed=k, method="", **warm(k)) for k in (0, 1)]
    runs += [train(tmp_path / f"b/seed{k}", [0.0, 1.0], seed=k, method="", **warm(k, args={"n": 2})) for k in (0, 1)]
    runs += [train(tmp_path / "c/seed1", [0.0, 1.0], seed=1, method="", **warm(0))]
    groups = grouped(runs)
    assert [(group.label, list(group.runs)) for group in groups] == [
        ("a", [0, 1]), ("b", [0, 1]), ("c", [1]),
    ]  # fmt: skip
    assert [group.label for group in grouped(runs[:2])] == ["a"]


def test_equal_runs_of_two_folders_are_two_lines(tmp_path: Path) -> None:
    paths = [train(tmp_path / f"{v}/ppo/seed{k}", [0.0, 1.0], seed=k) for v in ("old", "new") for k in (0, 1)]
    assert [(group.label, len(group.runs)) for group in grouped(paths)] == [("old", 2), ("new", 2)]
    with pytest.raises(ConfigError, match=r"seed0: named twice"):
        grouped([paths[0], paths[0].parent / "../ppo/seed0"])


def test_a_run_that_still_trains_is_plotted_as_far_as_it_is(tmp_path: Path) -> None:
    done = train(tmp_path / "tiny/runs/common_gen/ppo/seed0", [0.0, 1.0, 2.0])
    working = train(tmp_path / "tiny/runs/common_gen/ppo/.seed1.work", [1.0, 2.0], seed=1, method="", ended=False)
    with (working / "rollout_info.jsonl").open("a") as file:
        file.write('{"iteration": 2, "rollout/ep_r')
    paths = [done, done.with_name("seed1")]
    assert curve(paths, REWARD, "iterations")[:2] == [[0, 1], [0.5, 1.5]]
    assert grouped(paths)[0].label == "PPO"
    (done / "rollout_info.jsonl").write_text('{"iteration": 0, "rollout/ep_r')
    with pytest.raises(DataError, match="line 1: not valid JSON"):
        curve([done], REWARD, "iterations")


def test_the_picture_says_what_it_shows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = [train(tmp_path / f"{m}/seed{k}", [0.1, 0.2 + k], [100, 90], seed=k, method=m)
             for m in ("ppo", "supervised_nlpo") for k in (0, 1)]  # fmt: skip
    out = tmp_path / "new/plot.svg"
    assert main(["plot", *map(str, paths), "--out", str(out), "--by", "tokens"]) == 0
    svg = out.read_text()
    said = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    assert {"Reward", "KL (nats per token)", "METEOR (validation)", "Sampled tokens"} <= {*said}
    assert {"PPO", "Supervised + NLPO"} <= {*said}
    assert "Line: mean of 2 seeds. Band: their lowest and highest." in said
    assert svg.count("<title>PPO</title>") == 3
    before = svg
    assert main(["plot", *map(str, paths), "--out", str(out), "--by", "tokens"]) == 0
    assert out.read_text() == before, "equal runs, equal bytes"
    assert main(["plot", *map(str, paths), "--out", str(tmp_path / "plot.png")]) == 0
    assert Image.open(tmp_path / "plot.png").size[0] > 1000
    assert "4 runs, 2 of them different by more than the seed" in caplog.text


def test_groups_of_other_numbers_of_seeds_say_so(tmp_path: Path) -> None:
    paths = [train(tmp_path / f"ppo/seed{k}", [0.1, 0.2], seed=k) for k in (0, 1)]
    figure = plot_groups(grouped([*paths, train(tmp_path / "nlpo/seed0", [0.1, 0.3], method="nlpo")]))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["PPO (2 seeds)", "NLPO (1 seed)"]
    assert [axis.get_title("left") for axis in figure.axes if axis.axison] == [
        "Reward", "KL (nats per token)", "METEOR (validation)",
    ]  # fmt: skip


def test_a_dozen_lines_are_told_apart_and_an_outlier_squeezes_none(tmp_path: Path) -> None:
    paths = [train(tmp_path / f"run{i}", [0.1, 0.2 + 0.01 * i, 0.3], method="", alg={"id": str(i)}) for i in range(12)]
    train(paths[3], [0.1, 900.0, 0.3], method="", alg={"id": "3"})
    figure = plot_groups(grouped(paths), metrics=["reward"])
    (axis,) = figure.axes
    looks = {(to_hex(line.get_color()), line.get_marker(), line.get_linestyle()) for line in axis.get_lines()}
    assert len(looks) == 12 == len({look.colour for look in line_styles(12)})
    low, high = axis.get_ylim()
    assert low < 0.1 and 0.31 < high < 0.4
    assert [text.get_text() for text in axis.texts] == ["▲ run3 900"]
    figure.png()
    frame = figure.get_window_extent()
    (legend,) = figure.legends
    assert frame.x0 <= legend.get_window_extent().x0 and legend.get_window_extent().x1 <= frame.x1
    assert not legend.get_window_extent().overlaps(axis.get_window_extent())


def test_the_one_good_method_of_four_stays_in_its_panel(tmp_path: Path) -> None:
    flat = [0.20, 0.21, 0.205, 0.195, 0.2, 0.21, 0.2, 0.19]
    rewards = {"ppo": [0.2 + 0.05 * k for k in range(8)], "nlpo": flat, "grpo": flat[::-1], "rloo": flat}
    figure = plot_groups(grouped([train(tmp_path / m, r, method=m) for m, r in rewards.items()]), metrics=["reward"])
    assert figure.axes[0].get_ylim()[1] > 0.55 and not figure.axes[0].texts


def test_names_of_metrics() -> None:
    known = [REWARD, KL, METEOR, "train/loss"]
    assert named_columns(["reward", "kl", "lexical/meteor", "train/loss", METEOR], known) == [
        REWARD, KL, METEOR, "train/loss", METEOR,
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r'unknown metric "lexical/meteo"\. Did you mean.*Known: rollout/ep_rew_mean'):
        named_columns(["lexical/meteo"], known)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "absent: no such directory; expected a run's."),
        (["{run}", "--metric", "bleu"], 'unknown metric "bleu". Known: rollout/ep_rew_mean, rollout/kl_mean, val/'),
        (["{run}", "--by", "tokens"], "no rollout/n_sampled_tokens was logged (a supervised run, or one of an earlier"),
        (["{run}", "--out", "plot.gif"], "plot.gif: expected a name that ends with .png or .svg."),
        (["{run}", "{run}"], "named twice"),
        (["{silent}"], "nothing was logged there; expected the logs of a training."),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "silent/config.json", CONFIG)
    places = {"run": train(tmp_path / "run", [0.1, 0.2]), "silent": tmp_path / "silent"}
    assert main(["plot", *(each.format(**places) for each in arguments)]) == 2
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1
