"""SummaC (Laban et al., 2022, arXiv:2111.09525): is each sentence of a summary entailed by one of its document?

Document and summary are split into chunks, and an NLI model judges every pair of them. The zero-shot form takes the
best document chunk for each summary chunk; the convolved form reads a histogram of the probabilities with a trained
head. The scores are those of github.com/tingofurro/summac, but always in float32 (it uses half precision on a GPU).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from rl4lms.config.kinds import BatchSize, Device
from rl4lms.config.reader import Count
from rl4lms.core.errors import ConfigError, unknown
from rl4lms.core.pretrained import read_tensors
from rl4lms.metrics.base import MetricResult, SampleMetric, Samples, check_texts, mean
from rl4lms.metrics.classifier import model_label
from rl4lms.metrics.nli import load_nli
from rl4lms.metrics.sentences import sentence_splitter

if TYPE_CHECKING:
    import numpy as np

GRANULARITIES = ("document", "paragraph", "sentence", "2sents", "mixed")
SHORTEST = 10  # characters; only longer chunks are used
N_ROWS = 10  # summary chunks that the head of the convolved form reads
# The edges of the published head's histogram, closer together near 0 and 1, where most probabilities are.
PERCENTILES = (
    *(0.0, 0.01, 0.02, 0.03, 0.04, 0.07, 0.13, 0.37, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.955, 0.96, 0.965, 0.97),
    *(0.975, 0.98, 0.985, 0.99, 0.995, 1.0),
)
Reduction = Literal["min", "mean", "max"]
Aggregation = Literal["min", "mean", "max", "all"]


def split_chunks(text: str, granularity: str) -> list[str]:
    """The chunks of a text that are long enough. For "document" it is the text itself, even if it is short."""
    if granularity == "document":
        return [text]
    if granularity == "paragraph":
        return _long_enough(part.strip() for part in text.split("\n\n" if "\n\n" in text else "\n"))
    if granularity == "mixed":
        return split_chunks(text, "sentence") + split_chunks(text, "paragraph")
    sentences = _long_enough(sentence_splitter().split(text))
    if granularity == "sentence":
        return sentences
    return [" ".join(sentences[i : i + 2]) for i in range(len(sentences))]


def _long_enough(chunks: Iterable[str]) -> list[str]:
    return [chunk for chunk in chunks if len(chunk) > SHORTEST]


def reduce(values: np.ndarray, how: Reduction, axis: int | None = None) -> Any:
    return getattr(values, how)(axis=axis)


def zero_shot(image: np.ndarray, op1: Reduction, op2: Reduction, use_ent: bool, use_con: bool) -> float:
    """The zero-shot score of an image (3, D, S), in [0, 1], or in [-1, 1] with both use_ent and use_con.

    op1 reduces over the document's chunks, op2 over the summary's.
    """
    entailed, contradicted = reduce(image[0], op1, axis=0), reduce(image[1], op1, axis=0)
    scores = {(True, True): entailed - contradicted, (True, False): entailed, (False, True): 1.0 - contradicted}
    return float(reduce(scores[use_ent, use_con], op2))


def bin_edges(bins: str) -> list[float]:
    """The edges of histogram bins: "even<n>" for n equal ones, "percentile" for the published head's 23."""
    if bins == "percentile":
        return list(PERCENTILES)
    count = bins.removeprefix("even")
    if not bins.startswith("even") or not count.isdigit() or int(count) < 1:
        raise ConfigError(f'metric summaCConv: bins: expected "percentile" or "even50" (any number), found "{bins}".')
    return [i * (1 / int(count)) for i in range(int(count))] + [1.0]


class ConvHead(NamedTuple):
    """The trained head. mlp, (1, F) and (1,): a histogram to a number; final, (2, 3) and (2,): three to two logits."""

    mlp_weight: np.ndarray
    mlp_bias: np.ndarray
    final_weight: np.ndarray
    final_bias: np.ndarray

    @classmethod
    def read(cls, path: str, n_features: int) -> ConvHead:
        """Read a head from a safetensors file. Raises ConfigError unless it has n_features inputs."""
        where = f"metric summaCConv: start_file: {path}"
        names = ("mlp.weight", "mlp.bias", "layer_final.weight", "layer_final.bias")
        state = read_tensors(path, "metric summaCConv: start_file")
        try:
            arrays = [state[name].double().numpy() for name in names]
        except KeyError as error:
            raise ConfigError(f"{where}: no tensor {error}; expected a head of SummaC.") from None
        if arrays[0].shape != (1, n_features):
            raise ConfigError(
                f"{where}: it reads {arrays[0].shape[-1]} numbers of a histogram, but models, bins and nli_labels give "
                f"{n_features}; set them as they were when it was trained."
            )
        return cls(*arrays)

    def score(self, rows: np.ndarray, agg: Aggregation) -> float:
        """The probability of "consistent". rows: (R, F) histograms, R <= N_ROWS."""
        import numpy as np

        # With sums and `math`, because numpy's matrix products and exponentials differ between CPUs.
        values = (rows * self.mlp_weight[0]).sum(axis=1) + self.mlp_bias[0]
        kept: Sequence[Reduction] = ("min", "mean", "max") if agg == "all" else (agg,) * 3
        reduced = np.array([reduce(values, how) for how in kept])
        logits = (self.final_weight * reduced).sum(axis=1) + self.final_bias
        return 1.0 / (1.0 + math.exp(logits[0] - logits[1]))


def histograms(image: np.ndarray, edges: Sequence[float], nli_labels: str, norm_histo: bool) -> np.ndarray:
    """The histogram of each summary chunk's probabilities: (min(S, N_ROWS), F). image: (3 M, D, S) of M models."""
    import numpy as np

    depth, n_document, n_summary = image.shape
    rows = []
    for column in range(min(n_summary, N_ROWS)):
        counts = [
            np.histogram(image[plane, :, column], bins=edges, density=norm_histo)[0]
            for plane in range(depth)
            if "ecn"[plane % 3] in nli_labels
        ]
        rows.append(np.concatenate([[n_document, n_summary], *counts] if norm_histo else counts))
    return np.array(rows, dtype=float)


class SummaCMetric(SampleMetric):
    """Either form, with the prompt as the document. A subclass implements `score_image`."""

    key: ClassVar[str]

    def __init__(
        self, models: Sequence[str], granularity: str, max_doc_sents: int, batch_size: int, device: str | None
    ) -> None:
        grains = granularity.split("-")
        for grain in grains:
            if grain not in GRANULARITIES:
                raise ConfigError(unknown("granularity", grain, GRANULARITIES, f"metric {self.name}"))
        if len(grains) > 2:
            raise ConfigError(
                f"metric {self.name}: granularity \"{granularity}\": one, or the document's and the summary's as "
                '"paragraph-sentence".'
            )
        self._document_grain, self._text_grain = grains[0], grains[-1]
        self._max_doc_sents, self._batch_size = max_doc_sents, batch_size
        self._splitter = sentence_splitter().name if {"sentence", "2sents", "mixed"} & set(grains) else None
        self._models = [load_nli(model, device) for model in models]

    @abstractmethod
    def score_image(self, image: np.ndarray) -> float:
        """The score of an image (3 M, D, S): entailment, contradiction and neutrality from each of M models."""

    def labels(self) -> dict[str, str]:
        models = " + ".join(model_label(model.model_name) for model in self._models)
        return {self.key: f"NLI {models}" + (f", sentences {self._splitter}" if self._splitter else "")}

    def score_samples(self, samples: Samples) -> MetricResult:
        import numpy as np

        check_texts(self.name, samples.texts, prompts=samples.prompts)
        prompts = samples.prompts or ()
        documents = [split_chunks(text, self._document_grain)[: self._max_doc_sents] for text in prompts]
        texts = [split_chunks(text, self._text_grain) for text in samples.texts]
        images = [model.images(documents, texts, self._batch_size) for model in self._models]
        scores = [self.score_image(np.concatenate(planes)) for planes in zip(*images, strict=True)]
        return {self.key: (scores, mean(scores))}


class SummaCZS(SummaCMetric):
    """`consistency/summaczs`: the zero-shot form.

    granularity: "sentence", "paragraph", ..., or two of them for document and summary ("paragraph-sentence"). use_ent,
    use_con: take the probability of entailment, subtract that of contradiction. op1, op2: the reductions over document
    chunks and over summary chunks. model_name: SummaC's short name ("vitc"), a hub id or a directory. max_doc_sents:
    the number of document chunks that are read. imager_load_cache and use_cache are arguments of RL4LMs without effect,
    because nothing is cached.
    """

    name = "summaCZS"
    key = "consistency/summaczs"

    def __init__(
        self,
        model_name: Annotated[str, "SummaC's short name of an NLI model, hub id or directory."] = "mnli",
        granularity: Annotated[
            str, "Chunks that are compared: sentence, paragraph, or two of them (paragraph-sentence)."
        ] = "paragraph",
        op1: Annotated[Reduction, "How document chunks are summed up."] = "max",
        op2: Annotated[Reduction, "How summary chunks are summed up."] = "mean",
        use_ent: Annotated[bool, "Count the chance of entailment."] = True,
        use_con: Annotated[bool, "Subtract the chance of contradiction."] = True,
        imager_load_cache: Annotated[bool, "Without effect: nothing is kept."] = True,
        use_cache: Annotated[bool, "Without effect: nothing is kept."] = True,
        max_doc_sents: Annotated[Count, "Chunks of the document that are read."] = 100,
        batch_size: BatchSize = 20,
        device: Device = None,
    ) -> None:
        if not use_ent and not use_con:
            raise ConfigError("metric summaCZS: use_ent and use_con are both false; at least one must be true.")
        super().__init__([model_name], granularity, max_doc_sents, batch_size, device)
        self._settings = (op1, op2, use_ent, use_con)

    def score_image(self, image: np.ndarray) -> float:
        return zero_shot(image, *self._settings)


class SummaCConv(SummaCMetric):
    """`consistency/summacconv`: the convolved form, in [0, 1].

    models, bins, nli_labels ("e", "c", "n" or several), norm_histo: as the head in start_file was trained; agg: the
    reduction over the summary's chunks. start_file is required; without it RL4LMs scored with random weights.
    """

    name = "summaCConv"
    key = "consistency/summacconv"

    def __init__(
        self,
        models: Annotated[Sequence[str], "NLI models, as for summaCZS."] = ("mnli", "anli", "vitc"),
        bins: Annotated[str, "Edges of the histograms: evenN or percentile."] = "even50",
        granularity: Annotated[
            str, "Chunks that are compared: sentence, paragraph, or two of them (paragraph-sentence)."
        ] = "sentence",
        nli_labels: Annotated[str, "Of e(ntailment), c(ontradiction), n(eutral) those that the head reads."] = "e",
        device: Device = None,
        start_file: Annotated[str | None, "The trained head; there is no default."] = None,
        imager_load_cache: Annotated[bool, "Without effect: nothing is kept."] = True,
        agg: Annotated[Aggregation, "How summary chunks are summed up."] = "mean",
        norm_histo: Annotated[bool, "Normalise the histograms, as the head was trained."] = False,
        use_cache: Annotated[bool, "Without effect: nothing is kept."] = True,
        max_doc_sents: Annotated[Count, "Chunks of the document that are read."] = 100,
        batch_size: BatchSize = 20,
    ) -> None:
        if not nli_labels or set(nli_labels) - set("ecn") or len(set(nli_labels)) < len(nli_labels):
            raise ConfigError(f'metric summaCConv: nli_labels: expected some of "e", "c", "n", found "{nli_labels}".')
        if start_file is None:
            raise ConfigError(
                "metric summaCConv: start_file is missing: the trained head, e.g. summac_conv_vitc_sent_perc_e.bin of "
                "github.com/tingofurro/summac with models: [vitc] and bins: percentile, converted by the command in "
                "docs/rewards.md."
            )
        self._edges, self._nli_labels = bin_edges(bins), nli_labels
        self._agg, self._norm_histo = agg, norm_histo
        n_features = len(models) * len(nli_labels) * (len(self._edges) - 1) + (2 if norm_histo else 0)
        self._head = ConvHead.read(start_file, n_features)
        super().__init__(models, granularity, max_doc_sents, batch_size, device)

    def score_image(self, image: np.ndarray) -> float:
        rows = histograms(image, self._edges, self._nli_labels, self._norm_histo)
        return self._head.score(rows, self._agg)
