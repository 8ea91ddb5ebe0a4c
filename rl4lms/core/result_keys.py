"""The keys under which every evaluated run says its scores, beside those that metrics name."""

REWARD = "reward"
KL_PER_TOKEN = "kl/per_token"
KL_PER_SEQUENCE = "kl/per_sequence"
BASE_PERPLEXITY = "base/perplexity"
TOKENS = "cost/tokens"  # generated for a sample to choose from, of methods that choose
N_SAMPLES = "n"
SPLIT = "test"  # the split that a suite's scores are of
