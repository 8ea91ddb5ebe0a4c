"""Every mutation of tests/mutations can be made in the code as it is, and names tests that exist."""

from __future__ import annotations

import pytest

from tests.mutations import Mutation
from tests.mutations.__main__ import MUTATIONS, ROOT


@pytest.mark.parametrize("mutated", MUTATIONS, ids=lambda m: f"{m.line}-{m.detail}")
def test_it_applies_once_and_its_tests_exist(mutated: Mutation) -> None:
    text = (ROOT / "rl4lms" / mutated.file).read_text(encoding="utf-8")
    assert text.count(mutated.old) == 1 and mutated.new != mutated.old
    for node in mutated.tests:
        file, _, name = node.partition("::")
        body = (ROOT / file).read_text(encoding="utf-8")
        assert not name or f"def {name.partition('[')[0]}(" in body, node
