"""The benchmark of decoding, on a few tokens."""

from __future__ import annotations

import pytest
import torch

from benchmarks import decoding


def test_it_prints_a_line_for_each_way_to_decode(capsys: pytest.CaptureFixture[str]) -> None:
    decoding.main("--model gpt2 --rows 2 --tokens 3 --width 16".split())
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == list(decoding.SETTINGS)
    assert all(float(cell) > 0 for line in lines for cell in line.strip("| ").split(" | ")[2:])


def test_what_a_wait_and_a_kernel_are() -> None:
    x = torch.arange(6.0)
    layer = torch.nn.Linear(6, 1, bias=False)
    with torch.no_grad(), decoding.Count().watching(layer) as counted:
        bool((x > 2).any())
        x[x > 2]
        x.view(2, 3)[0].tolist()
        layer(x)
    assert counted.waits == {"_local_scalar_dense": 1, "index": 1, "tolist": 1}
    assert counted.outside == {"gt": 2, "any": 1, "index": 1}
    assert counted.model.total() >= 1
