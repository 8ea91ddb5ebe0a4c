"""The identity of a run: what of the user's a configuration only names is part of it, and nothing else is."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import RunError
from rl4lms.core.kernels import process_facts
from rl4lms.core.tables import DataPoolRegistry, MetricRegistry, PostProcessorRegistry, RewardFunctionRegistry
from rl4lms.data_pools.text_generation_pool import Sample, TextGenPool
from rl4lms.training import identity
from rl4lms.training.identity import RunIdentity
from rl4lms.training.on_policy import train_on_policy
from rl4lms.training.pools import digest_of_samples
from tests.training.test_on_policy import config as on_policy_config
from tests.training.test_on_policy import contents, run

TABLES = [t.table for t in (DataPoolRegistry, MetricRegistry, PostProcessorRegistry, RewardFunctionRegistry)]


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they were, after each test."""
    for table in TABLES:
        monkeypatch.setattr(table, "_entries", dict(table._entries))
        monkeypatch.setattr(table, "_shipped", set(table._shipped))


def changed(value: dict[str, Any], **sections: Any) -> RunConfig:
    return RunConfig.from_dict({**value, **sections})


@pytest.fixture
def value(model_dir: Any) -> dict[str, Any]:
    return on_policy_config(model_dir("gpt2"), n_iters=2).to_dict()


def reward(sign: int) -> Any:
    class Length:
        sparse = True

        def __call__(self, before: Any, action: int, after: Any, done: bool, meta: Any = None) -> float:
            return sign * len(after.context_text) if done else 0.0

    return Length


def test_of_shipped_components_nothing_is_digested(value: dict[str, Any]) -> None:
    assert [*RunIdentity(changed(value)).parts] == ["samples of train", "samples of val", "samples of test"]
    assert [*RunIdentity(changed(value), evaluate_test=False).parts] == ["samples of train", "samples of val"]


@pytest.mark.parametrize("fact", ["threads", "kernels", "packages"])
def test_how_the_process_computes_is_part_of_it(
    value: dict[str, Any], fact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = RunIdentity(changed(value)).digest
    monkeypatch.setattr(identity, "process_facts", lambda: process_facts() | {fact: "another"})
    assert RunIdentity(changed(value)).digest != before


def test_a_used_reward_is_part_of_it_and_an_unused_one_is_not(value: dict[str, Any]) -> None:
    def digest(used: int, unused: int) -> str:
        RewardFunctionRegistry.add("mine", reward(used))
        RewardFunctionRegistry.add("other", reward(unused))
        return RunIdentity(changed(value, reward_fn={"id": "mine", "args": {}})).digest

    assert digest(1, 1) == digest(1, 2) != digest(-1, 1)


def test_what_arguments_name_is_part_of_it(value: dict[str, Any], tmp_path: Path) -> None:
    def parts(sign: int) -> dict[str, str]:
        RewardFunctionRegistry.add("mine", reward(1))
        RewardFunctionRegistry.add("shape", reward(sign))
        PostProcessorRegistry.add("upper", reward(sign))
        section = {
            "id": "mine",
            "args": {"shaping": ["shape"], "words": str(tmp_path / "words.txt"), "log": str(tmp_path / "log")},
        }
        value["train_evaluation"]["generation_kwargs"] = {"do_sample": False, "post_processing_fn": "upper"}
        identity = RunIdentity(changed(value, reward_fn=section))
        return {**identity.parts, "inputs": json.dumps(identity.inputs)}

    for name in ("words.txt", "log"):
        (tmp_path / name).write_text("good\n")
    before, after = parts(1), parts(-1)
    assert [key for key in before if before[key] != after[key]] == ['reward function "shape"', 'post-processor "upper"']
    (tmp_path / "log").write_text("what the run writes\n")
    assert parts(1) == before
    (tmp_path / "words.txt").write_text("bad\n")
    assert {**parts(1), "inputs": ""} == {**before, "inputs": ""} and parts(1)["inputs"] != before["inputs"]


class FromFile(TextGenPool):
    """Its file is named by no argument, so that only its samples tell of it."""

    @classmethod
    def prepare(cls, split: str) -> TextGenPool:
        texts = Path(os.environ["LINES_OF_A_POOL"]).read_text().split()
        return cls([Sample(f"{split}_{i}", text, [text], {"n": i}) for i, text in enumerate(texts)])


def test_an_edited_file_that_the_users_own_pool_reads_is_another_run(model_dir, tmp_path, caplog, monkeypatch) -> None:
    """Through `train` of the library, which has no work directory: the checkpoint itself is of another run."""
    DataPoolRegistry.add("from_file", FromFile)
    (tmp_path / "lines").write_text("w5 w6 w7")
    monkeypatch.setenv("LINES_OF_A_POOL", str(tmp_path / "lines"))
    cfg = on_policy_config(model_dir("gpt2"), n_iters=2, datapool={"id": "from_file", "args": {}})
    run(tmp_path / "out", cfg)
    before = contents(tmp_path / "out")
    with caplog.at_level(logging.INFO, logger="rl4lms"):
        train_on_policy(cfg, tmp_path / "out")
    assert "finished after iteration 2 of 2: nothing is left to train" in caplog.messages
    assert contents(tmp_path / "out") == before
    (tmp_path / "lines").write_text("w5 w6 w8")
    with pytest.raises(RunError, match="another configuration, data, code"):
        run(tmp_path / "out", cfg)


@pytest.mark.parametrize(
    "other",
    [
        Sample("b", "p", ["r"], {"k": 1}), Sample("a", "q", ["r"], {"k": 1}), Sample("a", "p", ["s"], {"k": 1}),
        Sample("a", "p", ["r"], {"k": 2}), Sample("a", "p", ["r"], {"k": {3}}), Sample("a", "p", ["r"], {(1, 2): 1}),
        Sample("a", "p", ["r"], None),
    ],
)  # fmt: skip
def test_every_part_of_a_sample_counts(other: Sample) -> None:
    one = Sample("a", "p", ["r"], {"k": 1})
    assert digest_of_samples(TextGenPool([one])) != digest_of_samples(TextGenPool([other]))
    assert digest_of_samples(TextGenPool([one, other])) != digest_of_samples(TextGenPool([other, one]))


def test_meta_data_may_hold_itself_or_be_deep() -> None:
    def digest(of_itself: bool, last: int) -> str:
        meta: dict[str, Any] = {"last": last}
        inner: Any = meta if of_itself else [last]
        for _ in range(3 if of_itself else 3000):
            inner = [inner]
        return digest_of_samples(TextGenPool([Sample("a", "p", ["r"], {**meta, "inner": inner} | {"meta": inner})]))

    for of_itself in (True, False):
        assert digest(of_itself, 1) == digest(of_itself, 1) != digest(of_itself, 2)
    cyclic: dict[str, Any] = {"k": 1}
    cyclic["self"] = cyclic
    assert len(digest_of_samples(TextGenPool([Sample("a", "p", ["r"], cyclic)]))) == 64


def test_what_has_no_digest_is_said_in_one_line_and_never_the_same(value: dict[str, Any], caplog: Any) -> None:
    held = (i for i in [1])
    RewardFunctionRegistry.add("mine", lambda: held)
    cfg = changed(value, reward_fn={"id": "mine", "args": {}})
    assert RunIdentity(cfg).digest != RunIdentity(cfg).digest
    assert caplog.messages[0].startswith('reward function "mine" has no digest (held in the closure of ')
    assert "a generator); this run is never resumed" in caplog.messages[0] and "\n" not in caplog.messages[0]


def test_many_samples_are_digested_in_seconds() -> None:
    samples = [
        Sample(f"train_{i}", f"a prompt of some words {i}" * 8, ["a reference"], {"row": i}) for i in range(30_000)
    ]
    started = time.process_time()
    digest_of_samples(TextGenPool(samples))
    assert time.process_time() - started < 1.5


def test_a_registered_class_of_an_installed_package_counts_by_its_source(
    value: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "lab_rewards"
    package.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def digest(factor: int, bonus: int) -> str:
        for name in [name for name in sys.modules if name.partition(".")[0] == "lab_rewards"]:
            del sys.modules[name]
        (package / "__init__.py").write_text("")
        (package / "part.py").write_text(f"def bonus():\n    return {bonus}\n")
        (package / "reward.py").write_text(
            "from lab_rewards.part import bonus\n"
            f"class R:\n    def __call__(self):\n        return {factor} + bonus()\n"
        )
        importlib.invalidate_caches()
        RewardFunctionRegistry.add("mine", importlib.import_module("lab_rewards.reward").R)
        return RunIdentity(changed(value, reward_fn={"id": "mine", "args": {}})).digest

    assert digest(1, 1) == digest(1, 1)
    assert len({digest(1, 1), digest(2, 1), digest(1, 2)}) == 3
