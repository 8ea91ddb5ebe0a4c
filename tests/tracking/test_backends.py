"""Logging elsewhere changes nothing here."""

from __future__ import annotations

import html
import json
import random
import re
import struct
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rl4lms.core.errors import ConfigError
from rl4lms.tracking.backends import BACKENDS, check_backends, open_backend, texts_in_markdown, untouched_generators
from rl4lms.tracking.tracker import N_TABLE_ROWS, Tracker

ROOT = Path(__file__).resolve().parents[2]


class Noisy:
    """A backend that draws from every global generator, as wandb does for its names."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.tables: list[tuple[int, str, list[Mapping[str, Any]]]] = []
        self.closed = False

    def draw(self) -> None:
        random.random()
        np.random.rand()
        torch.rand(1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.draw()
        self.logged.append((step, dict(values)))

    def log_table(self, step: int, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.draw()
        self.tables.append((step, key, list(rows)))

    def close(self) -> None:
        self.draw()
        self.closed = True


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def seed() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def test_a_backend_leaves_the_global_generators_alone(tmp_path: Path) -> None:
    seed()
    expected = draws()
    seed()
    noisy = Noisy()
    tracker = Tracker(tmp_path, backends=[noisy])
    tracker.log_rollout(0, {"rollout/reward": 1.0})
    tracker.log_training(0, {"train/loss": 2.0})
    tracker.log_split_metrics("val", 0, {"lexical/meteor": 0.5})
    rows = [{"sample_id": str(i), "generated_text": "t", "score": np.float64(i)} for i in range(N_TABLE_ROWS + 1)]
    tracker.log_predictions("test", 3, rows)
    tracker.close()
    assert draws() == expected
    assert noisy.logged == [(0, {"rollout/reward": 1.0}), (0, {"train/loss": 2.0}), (0, {"val/lexical/meteor": 0.5})]
    assert noisy.tables == [(3, "test/completions", rows[:N_TABLE_ROWS])]
    assert noisy.closed


def test_generators_are_restored_after_an_error() -> None:
    seed()
    expected = draws()
    seed()
    with pytest.raises(ZeroDivisionError), untouched_generators():
        raise ZeroDivisionError(draws())
    assert draws() == expected


def test_an_unknown_backend_and_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r'unknown tracking backend "wandbb"\. Did you mean "wandb"\?'):
        open_backend("wandbb", tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"logging to wandb needs its package; pip install 'rl4lms-grue\[wandb\]'"):
        open_backend("wandb", tmp_path)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_missing_package_is_one_line_that_names_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, {"tensorboard": "torch.utils.tensorboard"}.get(name, name), None)
    with pytest.raises(ConfigError) as error:
        check_backends([name])
    extra = f"pip install 'rl4lms-grue[{name}]', or leave it out."
    assert str(error.value) == f"logging to {name} needs its package; {extra}"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(requirement.startswith(name) for requirement in extras[name])


# Texts with what Markdown, HTML and a terminal would obey.
ROWS = [
    {
        "prompt_text": "# a | b\n* c_d_e",
        "generated_text": "<script>alert(1)</script> `x` [l](javascript:1)",
        "score": 0.5,
    },
    {"prompt_text": "", "generated_text": "&lt; \\ **b**", "score": 1.23456},
]


def test_a_table_in_markdown_shows_any_text_as_it_is() -> None:
    assert texts_in_markdown([{"a_b": "x\r\n|y|", "n": 0.123456, "k": 3}]) == (
        "| a&#95;b | n | k |\n| --- | --- | --- |\n| x<br>&#124;y&#124; | 0.1235 | 3 |"
    )
    plugin = pytest.importorskip("tensorboard.plugin_util")
    cells = re.findall("<td>(.*?)</td>", plugin.markdown_to_safe_html(texts_in_markdown(ROWS)))
    read = [html.unescape(cell.replace("<br>", "\n")) for cell in cells]
    assert read == [str(row[k]) if k != "score" else f"{row[k]:.4g}" for row in ROWS for k in row]
    assert not any(mark in cell.replace("<br>", "") for cell in cells for mark in "<>")


def log_two_steps(name: str, run_dir: Path, /, **settings: Any) -> None:
    backend = open_backend(name, run_dir, **settings)
    backend.log(0, {"train/loss": 1.5, "rollout/reward": 0.25})
    backend.log(1, {"train/loss": 1.0})
    backend.log_table(1, "val/completions", ROWS)
    backend.close()


@pytest.mark.slow
def test_tensorboards_event_files_read_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_two_steps("tensorboard", tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]} == {
        "train/loss": [(0, 1.5), (1, 1.0)],
        "rollout/reward": [(0, 0.25)],
    }
    (table,) = events.Tensors("val/completions/text_summary")
    assert table.step == 1
    assert [text.decode() for text in table.tensor_proto.string_val] == [texts_in_markdown(ROWS)]


@pytest.mark.slow
def test_dvclives_files_read_back_and_a_second_part_goes_on_in_them(tmp_path: Path) -> None:
    pytest.importorskip("dvclive")
    log_two_steps("dvclive", tmp_path)
    log_two_steps("dvclive", tmp_path)
    lines = (tmp_path / "dvclive/plots/metrics/train/loss.tsv").read_text().splitlines()
    assert [tuple(map(float, line.split("\t")[-2:])) for line in lines[1:]] == [(0, 1.5), (1, 1.0)] * 2
    assert json.loads((tmp_path / "dvclive/metrics.json").read_text())["train"]["loss"] == 1.0


def wandb_records(path: Path) -> list[Any]:
    """The records of an offline run's file: LevelDB's log format after a head of 7 bytes, a protobuf message each."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, records, message = path.read_bytes(), 7, [], b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        message += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            records.append(Record.FromString(message))
            message = b""
    return records


@pytest.mark.slow
@pytest.mark.usefixtures("offline_wandb")
def test_an_offline_run_of_wandb_reads_back_and_a_second_part_has_its_id(tmp_path: Path) -> None:
    for _ in range(2):
        log_two_steps("wandb", tmp_path, project="p", name="n", entity=None, config={"seed": 3})
    files = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert {path.name for path in files} == {f"run-{(tmp_path / 'wandb/run_id.txt').read_text().strip()}.wandb"}
    records = wandb_records(files[0])
    runs = [r.run for r in records if r.HasField("run")]
    assert (runs[0].project, runs[0].display_name) == ("p", "n")
    assert {item.key: item.value_json for item in runs[0].config.update}["seed"] == "3"
    history = [
        {"/".join(item.nested_key) or item.key: item.value_json for item in r.history.item}
        for r in records
        if r.HasField("history")
    ]
    shown = [{k: json.loads(v) for k, v in line.items() if not k.startswith("_")} for line in history]
    assert shown[:2] == [{"train/loss": 1.5, "rollout/reward": 0.25, "step": 0}, {"train/loss": 1.0, "step": 1}]
    assert (shown[2]["val/completions/_type"], shown[2]["step"]) == ("table-file", 1)
    written = json.loads((files[0].parent / "files" / shown[2]["val/completions/path"]).read_text())
    assert [dict(zip(written["columns"], row, strict=True)) for row in written["data"]] == ROWS


@pytest.mark.slow
@pytest.mark.usefixtures("wandb")
def test_wandb_without_a_login_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^logging to wandb: .* set WANDB_MODE=offline to keep the run here\.$"):
        open_backend("wandb", tmp_path, project="p", name="n", entity=None)
