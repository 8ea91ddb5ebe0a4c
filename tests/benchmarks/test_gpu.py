"""The benchmark of a device, tried on the CPU."""

from __future__ import annotations

import sys

import pytest
import torch

from benchmarks import gpu


def test_it_prints_a_line_for_rollout_and_update(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--device cpu --size small --dtype float32 --model gpt2 --episodes 2 --iterations 1 --matrix 64"
    monkeypatch.setattr(sys, "argv", ["gpu", *options.split()])
    gpu.main()
    _, rollout, update = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in (rollout, update)] == ["rollout", "update"]
    assert all(float(line.split()[4].replace(",", "")) > 0 for line in (rollout, update))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit) as stopped:
        gpu.main()
    assert stopped.value.code == 2 and "there is no CUDA device" in capsys.readouterr().err
