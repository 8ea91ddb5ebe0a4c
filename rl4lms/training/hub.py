"""Pushes a run's model, with its tokenizer and its card, to the Hugging Face hub (`push_to_hub`)."""

from __future__ import annotations

import logging
from pathlib import Path

from rl4lms.config.sections import PushConfig
from rl4lms.core.errors import ConfigError, RunError, one_line

log = logging.getLogger(__name__)


def check_push(config: PushConfig | None) -> None:
    """Raises ConfigError, before any work, for a repository that cannot be or without a token to write to it."""
    if config is None:
        return
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(config.repo_id)
    except HFValidationError as error:
        raise ConfigError(f"push_to_hub.repo_id: {one_line(str(error), 300)}") from None
    if get_token() is None:
        raise ConfigError("push_to_hub: no token of the hub; give `hf auth login` once, or set HF_TOKEN.")


def push_model(config: PushConfig | None, directory: Path) -> None:
    """Upload a model's directory in one commit. Raises RunError, and the same command tries it again."""
    if config is None:
        return
    from httpx import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi()
    try:
        made = api.create_repo(config.repo_id, private=config.private, exist_ok=True)
        api.upload_folder(repo_id=made.repo_id, folder_path=directory, commit_message="Trained with rl4lms")
    except (HfHubHTTPError, HTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        raise RunError(
            f"push_to_hub: {config.repo_id}: {one_line(str(error), 300)} The model is in {directory}; the same command "
            "pushes it again."
        ) from None
    log.info("pushed to %s", made)
