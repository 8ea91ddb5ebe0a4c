"""The workflow passes its linters, and every profile plans the benchmark without its scheduler."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests.pipeline.checkout import Checkout

pytestmark = pytest.mark.slow

PLUGINS = {
    "default": [],
    "slurm": ["snakemake_executor_plugin_slurm"],
    "kubernetes": ["snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_fs"],
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout.make(tmp_path_factory.mktemp("style"))


def test_snakemake_lint(checkout: Checkout) -> None:
    assert "in a good condition" in checkout.run("snakemake", "--lint").stdout


def test_snakefmt(checkout: Checkout) -> None:
    checkout.run("snakefmt", "--check", "Snakefile", "workflow")


@pytest.mark.parametrize("profile", PLUGINS)
def test_a_profile_plans_the_benchmark(checkout: Checkout, profile: str) -> None:
    missing = [name for name in PLUGINS[profile] if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}, of the extra `cluster`")
    cores = ["--cores", "1"] if profile == "default" else []
    planned = checkout.run("snakemake", "--profile", f"workflow/profiles/{profile}", *cores, "-n", "grue_all").stdout
    assert re.search(r"^aggregate +1$", planned, re.MULTILINE)
