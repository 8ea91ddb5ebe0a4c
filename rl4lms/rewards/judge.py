"""A language model as the judge of texts: it is asked about each, and read for what it would answer."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from rl4lms.config.kinds import BatchSize, Device
from rl4lms.core.errors import ConfigError, DataError
from rl4lms.core.pretrained import from_pretrained, model_from_pretrained
from rl4lms.core.vocabulary import check_vocabulary, embedding_rows
from rl4lms.metrics.base import MetaInfo
from rl4lms.metrics.classifier import default_device, longest_input
from rl4lms.rewards.base import BatchedEpisodeReward, sample_in_words
from rl4lms.tokenization.chat import has_template, rendered

QUESTION = (
    "Here is a prompt and a response to it.\n\nPrompt:\n{prompt}\n\nResponse:\n{completion}\n\n"
    "Is this a good response? Answer Yes or No."
)
ANSWERS = {"Yes": 1.0, "yes": 1.0, "No": 0.0, "no": 0.0}
_FIELD = re.compile(r"\{(\w+)\}")


@functools.cache
def load_judge(model_name: str, device: str, dtype: str) -> tuple[Any, Any]:
    """(tokenizer, model in eval mode) of a causal language model; rewards that ask the same one share it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = from_pretrained(AutoTokenizer, model_name, "judge")
    model = model_from_pretrained(AutoModelForCausalLM, model_name, "judge", dtype=getattr(torch, dtype))
    check_vocabulary(tokenizer, embedding_rows(model), model_name)
    return tokenizer, model.to(device).eval()


class JudgeReward(BatchedEpisodeReward):
    """The mean score of a judge's answers, weighted by their probabilities: sum p score / sum p over `answers`.

    Nothing is sampled or parsed, as in G-Eval (arXiv:2303.16634): one forward pass a text, whose last logits are read
    at the first tokens of the answers. The question is a user's message where the judge has a chat template.
    """

    name = "judge"

    def __init__(
        self,
        model_name: Annotated[str, "Directory or hub id of a decoder-only language model."],
        question: Annotated[
            str, "What it is asked, with {completion} and, where wanted, {prompt}, {reference} and columns of the row."
        ] = QUESTION,
        answers: Annotated[
            Mapping[str, float] | None, "Answers with their scores; null is Yes and yes for 1, No and no for 0."
        ] = None,
        system: Annotated[str | None, "System message, for a judge with a chat template."] = None,
        batch_size: BatchSize = 8,
        dtype: Annotated[Literal["float32", "bfloat16"], "Of the judge's weights and arithmetic."] = "float32",
        device: Device = None,
    ) -> None:
        super().__init__()
        if "completion" not in _FIELD.findall(question):
            raise ConfigError("reward judge: question has no {completion}, the text that is to be judged.")
        self._question, self._system, self._batch_size = question, system, batch_size
        self._device = device or default_device()
        self._tokenizer, self._model = load_judge(str(model_name), self._device, dtype)
        self._is_chat = has_template(self._tokenizer)
        if system is not None and not self._is_chat:
            raise ConfigError(f"reward judge: system: {model_name} has no chat template; write it into the question.")
        self._longest = longest_input(self._model.config, self._tokenizer)
        self._answers = self._first_tokens(ANSWERS if answers is None else answers)

    def _first_tokens(self, answers: Mapping[str, float]) -> dict[int, float]:
        """First token of each answer -> its score. Raises ConfigError where two scores have the same token."""
        found: dict[int, tuple[str, float]] = {}
        for answer, score in answers.items():
            text = answer if self._is_chat else f" {answer.lstrip()}"
            ids = list(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
            first = ids[0] if ids else None
            if first is None or found.get(first, ("", score))[1] != score:
                why = "no token" if first is None else f"the same first token as {found[first][0]!r}"
                raise ConfigError(f"reward judge: answers: {answer!r} has {why} in its tokenizer; choose another.")
            found[first] = answer, float(score)
        if len({score for _, score in found.values()}) < 2:
            raise ConfigError("reward judge: answers: expected at least two, with different scores.")
        return {token: score for token, (_, score) in found.items()}

    def score_batch(
        self, prompts: list[str], texts: list[str], references: list[Sequence[str]], meta_infos: list[MetaInfo]
    ) -> list[float]:
        rows = [self._ids(*each) for each in zip(prompts, texts, references, meta_infos, strict=True)]
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
        scores = [0.0] * len(rows)
        for start in range(0, len(order), self._batch_size):
            chosen = order[start : start + self._batch_size]
            for i, score in zip(chosen, self._forward([rows[i] for i in chosen]), strict=True):
                scores[i] = score
        return scores

    def _ids(self, prompt: str, text: str, references: Sequence[str], meta_info: MetaInfo) -> list[int]:
        """The tokens of the question about a text. Of a prompt that is too long the beginning is left out."""
        fields = {**(meta_info or {}), "reference": references[0] if references else "", "completion": text}
        shown = prompt
        while True:
            ids = self._encode(self._asked({**fields, "prompt": shown}))
            if len(ids) <= self._longest:
                return ids
            if not shown or "prompt" not in _FIELD.findall(self._question):
                where = sample_in_words(prompt, text)
                raise DataError(f"reward judge: {len(ids)} tokens of {self._longest} for {where}; ask in fewer.")
            shown = shown[len(shown) // 4 + 1 :]

    def _asked(self, fields: Mapping[str, Any]) -> str:
        if unknown := [name for name in _FIELD.findall(self._question) if name not in fields]:
            raise DataError(
                f"reward judge: question: {{{unknown[0]}}} is no column of the row; it has {', '.join(fields)}."
            )
        return _FIELD.sub(lambda field: str(fields[field[1]]), self._question)

    def _encode(self, asked: str) -> list[int]:
        if self._is_chat:
            system = [] if self._system is None else [{"role": "system", "content": self._system}]
            asked = rendered(self._tokenizer, [*system, {"role": "user", "content": asked}])
        return list(self._tokenizer(asked, add_special_tokens=not self._is_chat, verbose=False)["input_ids"])

    def _forward(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """The scores of B questions. Padding is at the right, where no token before it sees it."""
        import torch

        lengths = [len(row) for row in rows]
        ids = torch.zeros(len(rows), max(lengths), dtype=torch.int64, device=self._device)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        ends = sorted(set(lengths))
        keep = {}
        if "logits_to_keep" in inspect.signature(self._model.forward).parameters:
            keep["logits_to_keep"] = torch.tensor(ends, device=self._device) - 1
        columns = [ends.index(n) if keep else n - 1 for n in lengths]
        with torch.inference_mode():
            mask = torch.arange(ids.shape[1], device=self._device) < torch.tensor(lengths, device=self._device)[:, None]
            logits = self._model(input_ids=ids, attention_mask=mask.long(), **keep).logits
            last = logits[torch.arange(len(rows)), columns][:, list(self._answers)].double()
            scores = torch.tensor(list(self._answers.values()), dtype=torch.float64, device=self._device)
            return [float(x) for x in (last.softmax(dim=-1) @ scores).cpu()]
