"""The texts that the golden numbers are of, written for them: each has something that scorers treat differently."""

from __future__ import annotations

SAMPLES: list[tuple[str, list[str]]] = [
    ("A man rides a brown horse along the beach.",
     ["A man is riding a horse on the beach.", "Someone on a brown horse goes along a beach."]),
    ("The children are playing with a ball in the garden.", ["The children are playing with a ball in the garden."]),
    ("dog ball park throw",
     ["A woman throws a ball to her dog in the park.", "In the park, a dog waits for the throw."]),
    ("Sales rose 4.5% to $1,250,000 in 2019, the firm said.",
     ["The firm said sales rose by 4.5 % to $1,250,000 in 2019."]),
    ("He can't say it's theirs; she'd rather they didn't ask.",
     ["He cannot say that it is theirs, and she would rather not be asked.", "It's not theirs, he can't say it is."]),
    ("the the the the the the", ["the cat sat on the mat", "there is a cat on the mat"]),
    ('"Stop!" cried the driver -- but nobody (not even he) did.', ['The driver cried "stop!", but nobody stopped.']),
    ("Der Zug nach München fährt heute nicht über Köln.",
     ["Heute fährt der Zug nach München nicht über Köln.", "Der Zug nach München geht heute nicht über Köln."]),
    ("東京 タワー is 333 m tall — café in the naïve style.", ["The 東京 タワー café is 333 m tall."]),
    ("", ["An answer was expected here."]),
    ("An answer that nobody asked for.", [""]),
    ("Yes", ["Yes", "No"]),
    ("governmental agreements were accidentally generalized", ["the government accidentally agreed to generalise"]),
    ("U.S. troops left on Jan. 5, Mr. Brown's spokesman said. They return in May.",
     ["Mr. Brown's spokesman said that troops of the U.S. left on Jan. 5. In May they return."]),
    ("first line of the summary\nthe second line says more\nand a third one ends it",
     ["the first line\nthe summary says more in its second line", "a summary of three lines"]),
    ("she wrote the letter the old clerk had asked for in the small room above the shop before it closed",
     ["before the shop closed she wrote in the small room above it the letter the old clerk had asked for"]),
    ("big cats were quickly chasing the automobile through a huge house",
     ["the large cat quickly chased a car through the big home", "cats chase cars"]),
    ("a larger boat and a nicer crew", ["a big boat, a nice crew"]),
]  # fmt: skip

TEXTS = [text for text, _ in SAMPLES]
REFERENCES = [references for _, references in SAMPLES]
