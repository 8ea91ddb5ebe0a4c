"""Puts the files of the pipeline into the wheel, from which `python -m rl4lms init` writes a grid of one's own."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GridHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable installation reads them from the checkout."""
        if version != "editable":
            build_data["force_include"] |= {name: f"rl4lms/_grid/{name}" for name in self.config["grid"]}
