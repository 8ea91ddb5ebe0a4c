import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from rl4lms.core.errors import ConfigError
from rl4lms.metrics.preference import PreferenceModel, load_preference_model
from tests.metrics.model_files import save_bert

ROOT = Path(__file__).parents[2]
TEXTS = ["w6 w7 w8", "", "w9", "w10 w11 w12 w13 w14 w15", "w6 w7 w8"]


def by_hand(folder: str, text: str) -> float:
    """RL4LMs' way: the odds of the two words at the first position of the decoder, through transformers alone."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    batch = tokenizer(text, return_tensors="pt", truncation=True)
    labels = tokenizer("good", return_tensors="pt").input_ids
    with torch.no_grad():
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        logits = model(**inputs, labels=labels).logits[0, 0].double()
    good, bad = (logits[tokenizer(word).input_ids[0]].exp() for word in ("good", "bad"))
    return float(good / (good + bad))


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_chance_of_good(preference_dir: str, batch_size: int) -> None:
    found = load_preference_model(preference_dir, "cpu").probabilities(TEXTS, batch_size)[:, 1].tolist()
    assert found == pytest.approx([by_hand(preference_dir, text) for text in TEXTS], abs=1e-5)
    assert max(found) - min(found) > 0.01


def test_long_texts_are_cut(preference_dir: str) -> None:
    model = load_preference_model(preference_dir, "cpu")
    long = " ".join(f"w{6 + i % 50}" for i in range(10_000))
    cut = " ".join(long.split()[:31])
    assert model.probabilities([long])[0].tolist() == pytest.approx(model.probabilities([cut])[0].tolist(), abs=1e-6)


def test_weights_of_a_file(preference_dir: str, tmp_path: Path) -> None:
    """The published model's form, converted: a file of tensors beside a model of the hub."""
    from transformers import AutoModelForSeq2SeqLM

    state: Any = AutoModelForSeq2SeqLM.from_pretrained(preference_dir).state_dict()
    state = {name: tensor * 0.5 for name, tensor in state.items()}
    torch.save({"model_state_dict": state}, tmp_path / "weights.pt")
    with pytest.raises(ConfigError, match=r"weights\.pt: not a file of safetensors .* a pickle it is not loaded"):
        PreferenceModel(preference_dir, "cpu", str(tmp_path / "weights.pt"))
    page = (ROOT / "docs" / "rewards.md").read_text(encoding="utf-8")
    (convert,) = re.findall(r'python -c "(import torch.*?)"', page, flags=re.DOTALL)
    command = convert.replace("IN.pt", "weights.pt").replace("OUT.safetensors", "weights.safetensors")
    subprocess.run([sys.executable, "-c", command], check=True, cwd=tmp_path)
    found = PreferenceModel(preference_dir, "cpu", str(tmp_path / "weights.safetensors"))
    for name, tensor in found._model.state_dict().items():
        torch.testing.assert_close(tensor, state[name])
    assert not torch.allclose(
        found.probabilities(TEXTS), load_preference_model(preference_dir, "cpu").probabilities(TEXTS)
    )


def test_bad_models(preference_dir: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'"11b": weights is missing: the published file \(https://'):
        PreferenceModel("11b")
    with pytest.raises(ConfigError, match="be loaded"):
        PreferenceModel(str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="no such file"):
        PreferenceModel(preference_dir, weights=str(tmp_path / "absent.safetensors"))
    save_file({"shared.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="they do not fit the model"):
        PreferenceModel(preference_dir, weights=str(tmp_path / "other.safetensors"))
    with pytest.raises(ConfigError, match="preference model .*be loaded"):
        PreferenceModel(save_bert(tmp_path / "encoder"))


def test_words_that_begin_alike_are_refused(model_dir: Any) -> None:
    with pytest.raises(ConfigError, match='"good" and "bad" begin with the same token'):
        PreferenceModel(str(model_dir("t5")))
