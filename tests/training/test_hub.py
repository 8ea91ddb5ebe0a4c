"""`push_to_hub` against a local stand-in of the hub's API, which keeps what it is sent."""

from __future__ import annotations

import base64
import http.server
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from rl4lms.cli import train_text_generation
from rl4lms.cli.train_text_generation import TRAINERS, run_training
from rl4lms.config.schema import RunConfig
from rl4lms.core.errors import ConfigError, RunError
from rl4lms.core.tables import DataPoolRegistry
from rl4lms.training.hub import check_push
from rl4lms.training.identity import RunIdentity
from rl4lms.training.supervised import train_supervised
from tests.training.test_on_policy import config, run
from tests.training.test_practice import changed
from tests.training.test_supervised import Echo


class Hub(http.server.ThreadingHTTPServer):
    """The part of the API that an upload needs: create, preupload, commit. Small files come in the commit itself."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.created: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        hub, body = self.server, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hub.tokens.add(self.headers.get("Authorization"))
        if hub.status != 200:
            return self.answer({"error": "the stand-in refuses"}, hub.status)
        if self.path == "/api/repos/create":
            hub.created.append(json.loads(body))
            return self.answer({"url": f"{hub.url}/me/{hub.created[-1]['name']}"})
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            answers = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]
            return self.answer({"files": answers})
        if "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.answer({"commitUrl": f"{hub.url}/me/x/commit/1", "commitOid": "1", "success": True})
        return self.answer({"errors": [], "warnings": []})  # /api/validate-yaml, of the card

    def do_GET(self) -> None:
        self.answer({"sha": "1", "id": "me/mine", "siblings": []})

    def answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def pushing(model: Path, **keys: Any) -> RunConfig:
    return changed(config(model, n_iters=1), push_to_hub={"repo_id": "me/mine", **keys})


def test_the_model_and_its_card_are_pushed(hub: Hub, model_dir: Any, tmp_path: Path) -> None:
    run(tmp_path, pushing(model_dir("gpt2"), private=True))
    assert hub.created[0]["name"] == "mine" and hub.created[0]["organization"] == "me"
    assert hub.created[0].get("private") is True or hub.created[0].get("visibility") == "private"
    sent = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert hub.files == sent and {"README.md", "model.safetensors", "tokenizer.json"} <= sent.keys()
    assert b"library_name: transformers" in sent["README.md"]
    assert hub.tokens == {"Bearer hf_of_the_test"}


def test_supervised_runs_push_too(hub: Hub, model_dir: Any, tmp_path: Path) -> None:
    DataPoolRegistry.add("echo", Echo)
    model = str(model_dir("gpt2"))
    alg = {"id": "supervised", "training_args": {"max_steps": 1}, "model_type": "causal", "model_name": model}
    value = {"tokenizer": {"model_name": model}, "datapool": {"id": "echo"}, "alg": alg}
    pushed = {"train_evaluation": {"eval_batch_size": 4}, "push_to_hub": {"repo_id": "mine"}}
    train_supervised(RunConfig.from_dict(value | pushed), tmp_path)
    assert {"README.md", "model.safetensors"} <= hub.files.keys()


def test_where_a_model_goes_is_no_part_of_what_it_is(hub: Hub, model_dir: Any, tmp_path: Path) -> None:
    """A finished run that is told to push is not trained again, and the same call pushes what could not be pushed."""
    alone = config(model_dir("gpt2"), n_iters=1)
    run_training(alone, tmp_path, list)
    before = (tmp_path / "checkpoints").stat().st_mtime_ns
    assert RunIdentity(alone).digest == RunIdentity(pushing(model_dir("gpt2"))).digest
    hub.status = 500
    with pytest.raises(RunError, match="push_to_hub: me/mine: .*same command pushes it again"):
        run_training(pushing(model_dir("gpt2")), tmp_path, list)
    hub.status = 200
    run_training(pushing(model_dir("gpt2")), tmp_path, list)
    assert "model.safetensors" in hub.files and (tmp_path / "checkpoints").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("launched", "touched"), [(False, "model/config.json"), (False, ".finished.json"), (True, "model/config.json")]
)
def test_of_a_finished_run_nothing_is_loaded_unless_a_result_was_touched(
    model_dir: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    launched: bool,
    touched: str,
) -> None:
    cfg, opened = config(model_dir("gpt2"), n_iters=1), list[str]()
    run_training(cfg, tmp_path / "run", list)
    loaded = []
    monkeypatch.setattr(TRAINERS, "load", lambda name: lambda *_, **__: loaded.append(name))
    monkeypatch.setattr(train_text_generation, "launch_size", lambda: 1 + launched)
    caplog.set_level(logging.INFO, logger="rl4lms")
    caplog.clear()
    run_training(cfg, tmp_path / "run", lambda: opened.append("backend") or [])
    assert loaded == opened == [] or (launched and loaded), "the others of a launch wait for the first process"
    assert launched or caplog.messages[0] == "finished before: nothing is left to train"
    assert caplog.messages[-1].startswith(f"results in {tmp_path / 'run'}: model/, ")
    (tmp_path / "run" / touched).write_text("{")
    run_training(cfg, tmp_path / "run", list)
    assert loaded[-1:] == ["on_policy"]


def test_what_cannot_be_pushed_is_refused_before_any_work(
    model_dir: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ConfigError, match="push_to_hub: no token of the hub; give `hf auth login` once, or set HF_TOK"):
        run(tmp_path / "run", pushing(model_dir("gpt2")))
    cfg = pushing(model_dir("gpt2"), repo_id="a/b/c")
    with pytest.raises(ConfigError, match="push_to_hub.repo_id: ") as error:
        check_push(cfg.push_to_hub)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="push_to_hub.repo_id: missing"):
        changed(config(model_dir("gpt2")), push_to_hub={"private": True})
