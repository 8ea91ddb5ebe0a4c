"""A reward is a function: what a text is worth, one number a text."""


def brief(completions, animal, **columns):
    """8 words or fewer that name the animal are worth 1; more words less; a text that does not name it nothing."""
    counts = [max(len(text.split()), 1) for text in completions]
    named = [name in text.lower() for text, name in zip(completions, animal, strict=True)]
    return [yes * min(1.0, 8 / n) for yes, n in zip(named, counts, strict=True)]
