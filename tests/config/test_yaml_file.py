"""YAML as DVC writes it, and errors that name file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rl4lms.config.yaml_file import load_yaml
from rl4lms.core.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-05),
        ("1E5", 1e5),
        ("2.5e-7", 2.5e-7),
        (".5", 0.5),
        ("-3.", -3.0),
        ("7", 7),
        ("010", 10),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("off", "off"),
        ("True", True),
        ("FALSE", False),
        ("2020-01-02", "2020-01-02"),
        ("1_000", "1_000"),
        ("e5", "e5"),
        ("'1e-5'", "1e-5"),
        ("", None),
        ("~", None),
    ],
)
def test_scalars_follow_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    read = load_yaml(write(tmp_path, f"key: {text}\n"))["key"]
    assert read == value
    assert type(read) is type(value)


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    assert load_yaml(write(tmp_path, "a: &a {x: 1}\nb: {<<: *a, y: 2}\n"))["b"] == {"x": 1, "y": 2}


def test_json_is_yaml(tmp_path: Path) -> None:
    assert load_yaml(write(tmp_path, '{"seed": 3, "lr": 1e-05, "text": "a\\nb"}')) == {
        "seed": 3,
        "lr": 1e-05,
        "text": "a\nb",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 2\n  c: 3\n", ', line 4: not valid YAML (duplicate key "c").'),
        ("a: [1, 2\nb: 3\n", ", line 2: not valid YAML (did not find expected"),
        ("a: 1\n\tb: 2\n", ", line 2: not valid YAML (found character"),
        ("- 1\n- 2\n", ": expected a mapping of keys, found list."),
        ("", ": expected a mapping of keys, found nothing."),
        ("a: !!python/object:os.system x\n", ", line 1: not valid YAML (could not determine a constructor"),
    ],
)
def test_a_broken_file_is_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_yaml(path)
    assert str(error.value).startswith(f"{path}{message.split('(did')[0].split('(found')[0].split('(could')[0]}")
    assert "\n" not in str(error.value)


def test_missing_and_undecodable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file\.$"):
        load_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match=r"a directory, expected a YAML file\.$"):
        load_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4\n")
    with pytest.raises(ConfigError, match=r"not UTF-8 text"):
        load_yaml(tmp_path / "latin.yaml")


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "run.yml"
    path.write_bytes("\ufeffa: 1\r\nb: text\r\n".encode())
    assert load_yaml(path) == {"a": 1, "b": "text"}
