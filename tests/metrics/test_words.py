from rl4lms.metrics.words import sentences, stem, word_tokenize


def test_documented_example_of_nltk() -> None:
    # nltk.word_tokenize on its own documented example
    text = "Good muffins cost $3.88\nin New York.  Please buy me\ntwo of them.\nThanks."
    expected = "Good muffins cost $ 3.88 in New York . Please buy me two of them . Thanks ."
    assert list(word_tokenize(text)) == expected.split()


def test_abbreviations_initials_and_numbers_end_no_sentence() -> None:
    assert len(sentences("Mr. Smith met J. Doe of the U.S. Senate for 3.5 hours. He left.")) == 2
    assert word_tokenize("Dr. No left. He ran.") == ("Dr.", "No", "left", ".", "He", "ran", ".")


def test_empty_and_unicode() -> None:
    assert word_tokenize("") == ()
    assert word_tokenize("Straße 東京 \u201cnaïve\u201d") == ("Straße", "東京", "\u201c", "naïve", "\u201d")


def test_stems_are_nltks() -> None:
    from nltk.stem.porter import PorterStemmer

    plain = PorterStemmer()
    for word in ("running", "flies", "agreement", "happily", "dying"):
        assert stem(word) == plain.stem(word)
    assert stem("dying", "ORIGINAL_ALGORITHM") == "dy" != stem("dying")
