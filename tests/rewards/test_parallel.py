import os
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from rl4lms.core.errors import DataError, RunError
from rl4lms.core.tables import RewardFunctionRegistry
from rl4lms.rewards.base import TextObservation
from rl4lms.rewards.parallel import ParallelReward
from tests.metrics.conftest import random_pairs
from tests.rewards.probe import Big, Probe


def calls(n: int, meta_info: Any = None) -> list[tuple[Any, ...]]:
    return [(None, i, None, True, meta_info) for i in range(n)]


def test_order_processes_and_reuse() -> None:
    with ParallelReward(Probe(), 2) as parallel:
        assert parallel.map(calls(11)) == [float(i) for i in range(11)]
        pids = set(parallel.map(calls(8, "pid")))
        assert len(pids) == 2
        assert os.getpid() not in pids
        assert parallel.map(calls(2, "print")) == [0.0, 1.0]
        assert parallel.map([]) == []


def overlap_rewards() -> list[Any]:
    shaped = {"shaping_fn": "common_gen_repeat_penalty"}
    arguments = {"rouge": {"rouge_type": "rouge1", **shaped}, "meteor": shaped, "rouge_combined": shaped}
    names = ["meteor", "rouge", "rouge_combined", "rouge_l_max", "bleu", "sacre_bleu", "ter", "chrf"]
    return [RewardFunctionRegistry.get(name, arguments.get(name)) for name in names]


def episodes(n: int) -> list[tuple[Any, ...]]:
    texts, references = random_pairs(n, seed=3)
    prompt = "generate a sentence with: cat dog."
    observations = [TextObservation(prompt, t, r) for t, r in zip(texts, references, strict=True)]
    return [(o, 0, o, True, None) for o in observations]


def test_copies_of_the_overlap_rewards_score_alike_and_are_small() -> None:
    for reward in overlap_rewards():
        expected = [reward(*episode) for episode in episodes(5)]  # fills caches, which must not travel
        payload = pickle.dumps(reward)
        assert len(payload) < 2000, reward.name
        assert [pickle.loads(payload)(*episode) for episode in episodes(5)] == expected


def test_equals_serial_scores() -> None:
    reward = overlap_rewards()[1]
    with ParallelReward(reward, 2) as parallel:
        assert parallel.map(episodes(9)) == [reward(*episode) for episode in episodes(9)]


def test_serial_where_one_worker_or_in_parent() -> None:
    for reward, n in ((Probe(), 1), (Probe(), 0), (Probe(in_parent=True), 2), (lambda *call: Probe()(*call), 2)):
        with ParallelReward(reward, n) as parallel:
            assert set(parallel.map(calls(3, "pid"))) == {float(os.getpid())}


def test_errors_come_back_as_they_were() -> None:
    with pytest.raises(DataError, match="a bad row") as caught, ParallelReward(Probe(), 2) as parallel:
        parallel.map(calls(4, "raise"))
    assert "In a reward worker" in caught.value.__notes__[0]
    with pytest.raises(RunError, match="RuntimeError"), ParallelReward(Probe(), 2) as parallel:
        parallel.map(calls(4, "unpicklable"))
    for how, said in (
        ("exit", r"raised SystemExit \(0\), at probe.py, line"),
        ("speechless", r"raised Speechless \(its message cannot be read\), at probe.py, line"),
        ("fork", "a process that it forked returned from the call"),
    ):
        with pytest.raises(RunError, match=f"^reward Probe: {said}"), ParallelReward(Probe(), 2) as parallel:
            parallel.map(calls(4, how))
    with pytest.raises(RunError, match="ended with exit code 3"), ParallelReward(Probe(), 2) as parallel:
        parallel.map(calls(4, "die"))
    for n in (1, 2):
        with pytest.raises(RunError, match="reward Probe: nan for episode 1"), ParallelReward(Probe(), n) as parallel:
            parallel.map([*calls(1), *calls(1, "nan")])


def test_a_reward_that_cannot_travel() -> None:
    reward: Any = Probe()
    reward.lock = threading.Lock()
    with pytest.raises(RunError, match="in_parent = True"):
        ParallelReward(reward, 2)
    with pytest.raises(RunError, match="reward in a worker process: raised ZeroDivisionError"):
        ParallelReward(Unreadable(), 2).map(calls(1))
    with ParallelReward(Probe(), 2) as parallel, pytest.raises(RunError, match="reward Probe cannot be sent to worker"):
        parallel.map([(None, 0, None, True, threading.Lock())])


class Unreadable(Probe):
    """Fails where it arrives."""

    def __reduce__(self) -> Any:
        return eval, ("1 / 0",)


def test_shared_objects_travel_once() -> None:
    big = Big()
    Big.pickled = 0
    with ParallelReward(Probe(), 2, shared=(big,)) as parallel:
        for _ in range(3):
            assert parallel.map([(big, i, big, True) for i in range(6)]) == [float(i) for i in range(6)]
    assert Big.pickled == 1
    assert pickle.dumps(big)
    assert Big.pickled == 2


def test_workers_end_with_their_owner() -> None:
    parallel = ParallelReward(Probe(), 2)
    processes = [worker.process for worker in parallel._workers]
    parallel.close()
    assert all(process.poll() is not None for process in processes)
    parallel.close()


def test_a_class_of_the_users_own_script(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import os
        from pathlib import Path
        from rl4lms.rewards.base import RewardFunction
        from rl4lms.rewards.parallel import ParallelReward
        from beside import OFFSET

        with open(Path(__file__).with_name("imports.txt"), "a") as f:
            f.write("imported\\n")

        def helper(x):
            return 2.0 * x + OFFSET

        class Mine(RewardFunction):
            def __call__(self, prev_observation, action, current_observation, done, meta_info=None):
                return helper(action) if os.getpid() != meta_info else -1.0

        parallel = ParallelReward(Mine(), 2)  # no __main__ guard, no close
        print(parallel.map([(None, i, None, True, os.getpid()) for i in range(5)]))
        """)
    )
    (tmp_path / "beside.py").write_text("OFFSET = 1.0\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, timeout=60)
    assert run.stdout.strip() == "[1.0, 3.0, 5.0, 7.0, 9.0]", run.stderr
    assert (tmp_path / "imports.txt").read_text() == "imported\n"
