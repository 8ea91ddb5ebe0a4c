"""The profiles of schedulers plan the benchmark without their scheduler; test_planning.py plans by the default one."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.pipeline.checkout import Checkout

pytestmark = pytest.mark.slow

PLUGINS = {
    "slurm": ["snakemake_executor_plugin_slurm"],
    "kubernetes": ["snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_fs"],
}


@pytest.mark.parametrize("profile", PLUGINS)
def test_a_profile_plans_the_benchmark(tmp_path: Path, profile: str) -> None:
    missing = [name for name in PLUGINS[profile] if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}, of the extra `cluster`")
    checkout = Checkout.make(tmp_path)
    planned = checkout.run("snakemake", "--profile", f"workflow/profiles/{profile}", "-n", "grue_all").stdout
    assert re.search(r"^aggregate +1$", planned, re.MULTILINE)
