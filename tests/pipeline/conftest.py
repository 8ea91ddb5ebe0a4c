"""The suite `tiny`, run once a session for the tests that look at it or compare with it."""

from __future__ import annotations

import pytest

from tests.pipeline.checkout import Checkout

SUITE = ("--config", "suite=tiny")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose suite `tiny` has been run, every stage for real, one job at a time. A test leaves it so."""
    checkout = Checkout.make(tmp_path_factory.mktemp("tiny"), stub=False)
    checkout.grue("grue_all", *SUITE, cores=1)
    return checkout
