"""Kinds of arguments that several pools, rewards and metrics take: type, bounds, and the sentence of the schema."""

from __future__ import annotations

from typing import Annotated, Literal

from rl4lms.config.reader import Count, Natural, Range

BatchSize = Annotated[int, Range(minimum=1), "Texts that a model reads at once."]
Device = Annotated[str | None, "cpu, cuda, cuda:0, ...; null takes a GPU if there is one."]
Classifier = Annotated[str, "Directory or hub id of the classifier."]
LabelIx = Annotated[int, Range(minimum=0), "Index of the label whose probability is the score."]
WithPrompt = Annotated[bool, "Read the prompt before the text; false reads the text only."]
ShapingFn = Annotated[str | None, "Id of a reward function whose value is added: a penalty."]
WordNet = Annotated[str, "Synonyms of METEOR: nltk's wordnet, METEOR's tables, or auto: the first if installed."]
MinTokens = Annotated[int, Range(minimum=1), "Increasing numbers that score 1."]
CaptionWords = Annotated[Literal["words", "whitespace", "ptb", "spacy"], "How texts are cut into words."]
SingleReference = Annotated[bool, "Score against the first reference; false takes the best one."]
RougeType = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]
EncoderName = Annotated[str | None, "Directory or hub id of the encoder; null takes bert-score's of the language."]
Layer = Annotated[Natural | None, "Layer of the encoder that is read; null takes bert-score's."]
Language = Annotated[str, "Language whose encoder bert-score takes."]
ConceptPrefix = Annotated[str, "What precedes the concepts in a prompt."]

DataDir = Annotated[str | None, "Directory of local rows in the data set's columns; null reads the hub."]
Prefix = Annotated[str, "Text before the input."]
Suffix = Annotated[str, "Text after the input."]
MaxSize = Annotated[Count | None, "Samples that a split is cut to; null keeps all."]
ShuffleSeed = Annotated[Natural | None, "Seed of the choice of samples; null keeps their order."]
