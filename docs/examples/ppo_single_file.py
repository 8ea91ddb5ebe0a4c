"""PPO for text in one file, to read from top to bottom: torch and transformers, nothing else.

    python docs/examples/ppo_single_file.py
    python docs/examples/ppo_single_file.py --kl_coef 0 --n_iterations 60

A tiny GPT-2 with random weights learns to say pleasant words. The file has five parts, in the order
in which a run needs them: the settings, a toy task, the models, the rollout, and the update. The
update is the one of `rl4lms`: a test gives both the same weights and the same texts and finds the
same new weights (docs/ppo_in_one_file.md).

Shapes: B episodes, P tokens of a prompt, T tokens of a response, V words of the vocabulary. One
episode is one text; one step of it is one token.
"""

import argparse
import copy
import random
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

# -- 1. Settings -----------------------------------------------------------------------------------


@dataclass
class Args:
    seed: int = 0
    n_iterations: int = 25  # rollouts, each of which is followed by one update
    n_episodes: int = 64  # texts of a rollout
    max_new_tokens: int = 12  # an episode ends here, or at its first end-of-text token
    n_epochs: int = 4  # passes of an update over its rollout
    episodes_per_step: int = 16  # texts of one step of the optimiser
    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    max_grad_norm: float = 0.5
    gamma: float = 1.0  # a reward counts as much however late it comes: texts are short
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    vf_coef: float = 0.5
    ent_coef: float = 0.0
    kl_coef: float = 0.02  # price of one nat of distance from the reference model
    target_kl: float = 0.0  # above 0, kl_coef is adapted to this mean KL of a token


# -- 2. A toy task ---------------------------------------------------------------------------------
# Words are tokens here, so that no tokenizer has to be downloaded. For a real model replace this
# part: `encode` and `decode` by a tokenizer's, `make_model` by
# AutoModelForCausalLM.from_pretrained, and PAD and EOS by its token ids.

PAD, EOS = 0, 1
PLEASANT = "sunny calm bright happy gentle warm".split()
OTHERS = "the a we they walk talk see house river road night day cold grey loud late".split()
VOCABULARY = ["<pad>", "<eos>", *PLEASANT, *OTHERS]


def encode(text: str) -> list[int]:
    return [VOCABULARY.index(word) for word in text.split()]


def decode(ids: list[int]) -> str:
    return " ".join(VOCABULARY[i] for i in ids if i not in (PAD, EOS))


def draw_prompts(n: int, rng: random.Random) -> list[str]:
    return [" ".join(rng.choices(OTHERS, k=rng.randint(1, 4))) for _ in range(n)]


def reward_function(completions: list[str], args: Args) -> list[float]:
    """One number a text: its pleasant words, as a share of all that it could have had. So length
    pays as well."""
    counts = [sum(word in PLEASANT for word in text.split()) for text in completions]
    return [n / args.max_new_tokens for n in counts]


def make_model() -> PreTrainedModel:
    sizes = {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2}
    tokens = {"bos_token_id": EOS, "eos_token_id": EOS, "pad_token_id": PAD}
    return GPT2LMHeadModel(GPT2Config(vocab_size=len(VOCABULARY), **sizes, **tokens))


# -- 3. Three models: policy, reference, critic ----------------------------------------------------


class Agent(nn.Module):
    """The policy that is trained, the frozen model that it may not leave too far, and the critic
    that predicts returns.

    The critic is a copy of the policy's body with a linear head. The head starts at zero, so that
    the first values are 0 and not noise. Dropout is off throughout (`eval`): with it, the policy
    that is updated would not be the one that wrote the texts, and the ratio of their probabilities
    would not start at 1.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.policy = model
        self.reference = copy.deepcopy(model).requires_grad_(False)
        self.critic = copy.deepcopy(model.base_model)
        self.value_head = nn.Linear(model.config.hidden_size, 1, bias=False, dtype=model.dtype)
        nn.init.zeros_(self.value_head.weight)
        self.eval()

    def optimizer(self, args: Args) -> torch.optim.Optimizer:
        """AdamW for policy and critic together. Weight decay is for matrices; biases and norms are
        left alone."""
        trained = [p for p in self.parameters() if p.requires_grad]
        matrices = [p for p in trained if p.ndim >= 2]
        vectors = [p for p in trained if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": args.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=args.learning_rate)


@dataclass
class Texts:
    """B prompts, padded on the left, followed by their responses, padded on the right.

    ids: (B, P + T). mask: (B, P + T), True for real tokens. The mask is kept because ids cannot
    tell: many models pad with their end-of-text token, and the one that ends a text is real and
    must be learnt.
    """

    ids: Tensor
    mask: Tensor
    n_prompt: int  # P

    @property
    def actions(self) -> Tensor:
        return self.ids[:, self.n_prompt :]  # (B, T)

    @property
    def action_mask(self) -> Tensor:
        return self.mask[:, self.n_prompt :]  # (B, T)

    def rows(self, index: Tensor) -> "Texts":
        return Texts(self.ids[index], self.mask[index], self.n_prompt)

    def inputs(self) -> dict[str, Tensor]:
        """What a model reads. Without positions of its own, GPT-2 would count the padding on the
        left of a prompt."""
        positions = (self.mask.long().cumsum(1) - 1).clamp(min=0)
        return {"input_ids": self.ids, "attention_mask": self.mask.long(), "position_ids": positions}


def log_distribution(model: PreTrainedModel, texts: Texts) -> Tensor:
    """(B, T, V) log-probabilities of every word at every step, by one forward pass over the
    finished texts.

    The output at a position predicts the token after it, so the steps of a response begin one
    position earlier.
    """
    logits = model(**texts.inputs()).logits[:, texts.n_prompt - 1 : -1]
    return torch.log_softmax(logits, dim=-1)


def log_probability(log_distribution: Tensor, actions: Tensor) -> Tensor:
    """(B, T) of the tokens that were taken."""
    return log_distribution.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def state_values(agent: Agent, texts: Texts) -> Tensor:
    """(B, T) the critic's prediction, before each token, of the reward that is still to come."""
    hidden = agent.critic(**texts.inputs()).last_hidden_state[:, texts.n_prompt - 1 : -1]
    return agent.value_head(hidden).squeeze(-1)


# -- 4. The rollout: texts, what they are worth, and how surprisingly much -------------------------


@dataclass
class Rollout:
    """What an update learns from; every tensor is (B, T), and means nothing at padding."""

    texts: Texts
    logprobs: Tensor  # under the policy that wrote the texts, the "old" one
    ref_logprobs: Tensor
    values: Tensor
    rewards: Tensor
    advantages: Tensor
    returns: Tensor


@torch.no_grad()
def generate(agent: Agent, prompts: list[str], args: Args) -> Texts:
    """Sample a response to each prompt, from the whole distribution: a truncated one (top-k, top-p)
    would have to be truncated and renormalised in the update as well, or the ratio would compare
    two different things."""
    rows = [encode(prompt) for prompt in prompts]
    width = max(len(row) for row in rows)
    ids = torch.tensor([[PAD] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
    full = agent.policy.generate(
        ids, attention_mask=mask.long(), do_sample=True, top_k=0, max_new_tokens=args.max_new_tokens
    )
    ended = (full[:, width:] == EOS).long()
    real = ended.cumsum(1) - ended == 0  # up to the first end-of-text token, which is included
    return Texts(full, torch.cat([mask, real], dim=1), width)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over real tokens. The mask selects and does not multiply, because 0 times NaN is
    NaN."""
    return torch.where(mask, x, 0.0).sum() / mask.sum()


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over the real tokens."""
    return torch.where(mask, (x - x[mask].mean()) / (x[mask].std() + 1e-8), 0.0)


def gae(rewards: Tensor, values: Tensor, mask: Tensor, args: Args) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (arXiv:1506.02438, equation 11), from the last token to the
    first.

    delta is how much better one step was than the critic expected. The advantage of a token adds
    the deltas after it, discounted by gamma * gae_lambda: lambda 1 trusts the rewards alone, lambda
    0 trusts the critic at the next token.
    """
    advantages, running, next_value = torch.zeros_like(values), 0.0, 0.0
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + args.gamma * next_value - values[:, t]
        # Nothing follows the last token of a text, so both are 0 when the loop comes to it from the
        # padding.
        running = torch.where(mask[:, t], delta + args.gamma * args.gae_lambda * running, 0.0)
        next_value = torch.where(mask[:, t], values[:, t], 0.0)
        advantages[:, t] = running
    return advantages, torch.where(mask, advantages + values, 0.0)


@torch.no_grad()
def assess(agent: Agent, texts: Texts, scores: Tensor, kl_coef: float, args: Args) -> Rollout:
    """The rollout of texts with these scores (B,)."""
    mask = texts.action_mask
    logprobs = log_probability(log_distribution(agent.policy, texts), texts.actions)
    ref_logprobs = log_probability(log_distribution(agent.reference, texts), texts.actions)
    values = state_values(agent, texts)
    # Every token pays for leaving the reference. Its log-ratio is a sample of the KL, which can be
    # negative.
    rewards = -kl_coef * (logprobs - ref_logprobs)
    # The score of the text comes with its last real token: the end-of-text token, or the last that
    # there was room for.
    last = mask.sum(1) - 1
    rewards[torch.arange(len(last)), last] += scores
    advantages, returns = gae(rewards, values, mask, args)
    # Whitened once, over the whole rollout. In a step of few texts their own mean is just what
    # tells them apart.
    advantages = whiten(advantages, mask)
    return Rollout(texts, logprobs, ref_logprobs, values, rewards, advantages, returns)


# -- 5. The update ---------------------------------------------------------------------------------


def ppo_loss(
    agent: Agent,
    rollout: Rollout,
    rows: Tensor,
    args: Args,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of the episodes `rows`, and numbers to watch. Each mean is over tokens, so a long
    text weighs more."""
    texts = rollout.texts.rows(rows)
    mask, advantages = texts.action_mask, rollout.advantages[rows]
    log_probs = log_distribution(agent.policy, texts)
    log_ratio = log_probability(log_probs, texts.actions) - rollout.logprobs[rows]
    ratio = log_ratio.exp()  # 1 in the first step of an update; then, how far the policy has moved
    # The minimum of the two makes clipping a limit to gain: once a token's probability has moved by
    # clip_range in the direction that its advantage asks for, it pays nothing to move it further. A
    # wrong move is never clipped.
    clipped = ratio.clamp(1 - args.clip_range, 1 + args.clip_range)
    policy_loss = masked_mean(-torch.min(ratio * advantages, clipped * advantages), mask)
    value_loss = masked_mean((state_values(agent, texts) - rollout.returns[rows]) ** 2, mask)
    entropy = masked_mean(-(log_probs.exp() * log_probs).sum(-1), mask)
    loss = policy_loss + args.vf_coef * value_loss - args.ent_coef * entropy
    outside = ((ratio - 1).abs() > args.clip_range).to(ratio.dtype)
    terms = {
        "loss": loss,
        "policy_gradient_loss": policy_loss,
        "value_loss": value_loss,
        "entropy": entropy,
        "clip_fraction": masked_mean(outside, mask),
        "approx_kl": masked_mean(ratio - 1 - log_ratio, mask),
    }
    return loss, {name: float(term.detach()) for name, term in terms.items()}


def shuffled(args: Args) -> list[Tensor]:
    """The episodes of each step of an update: every one once an epoch, whole, in a new order each
    time."""
    orders = [torch.randperm(args.n_episodes) for _ in range(args.n_epochs)]
    return [rows for order in orders for rows in order.split(args.episodes_per_step)]


def update(
    agent: Agent,
    optimizer: torch.optim.Optimizer,
    rollout: Rollout,
    minibatches: list[Tensor],
    args: Args,
) -> dict[str, float]:
    """One step of the optimiser for each minibatch. Returns the means of their numbers."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    seen = []
    for rows in minibatches:
        loss, terms = ppo_loss(agent, rollout, rows, args)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, args.max_grad_norm)
        optimizer.step()
        seen.append(terms)
    return {name: sum(terms[name] for terms in seen) / len(seen) for name in seen[0]}


def adapted(kl_coef: float, kl: float, target_kl: float) -> float:
    """A dearer KL where the policy is too far from the reference, a cheaper one where it is near;
    by 2 % at most."""
    return kl_coef * (1 + 0.1 * min(max((kl - target_kl) / target_kl, -0.2), 0.2))


def train(args: Args) -> list[float]:
    """The mean score of each rollout."""
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    agent = Agent(make_model())
    optimizer, kl_coef, curve = agent.optimizer(args), args.kl_coef, []
    for iteration in range(args.n_iterations):
        texts = generate(agent, draw_prompts(args.n_episodes, rng), args)
        rows = zip(texts.actions, texts.action_mask, strict=True)
        completions = [decode(row[real].tolist()) for row, real in rows]
        scores = torch.tensor(reward_function(completions, args))
        rollout = assess(agent, texts, scores, kl_coef, args)
        numbers = update(agent, optimizer, rollout, shuffled(args), args)
        kl = float(masked_mean(rollout.logprobs - rollout.ref_logprobs, texts.action_mask))
        kl_coef = adapted(kl_coef, kl, args.target_kl) if args.target_kl else kl_coef
        curve.append(float(scores.mean()))
        length = float(texts.action_mask.sum(1).float().mean())
        print(
            f"{iteration:3d}  reward {curve[-1]:.3f} {'#' * round(30 * curve[-1]):30s}  "
            f"KL {kl:6.3f}  length {length:4.1f}  clipped {numbers['clip_fraction']:.2f}  "
            f"value loss {numbers['value_loss']:.3f}"
        )
    print(f"The last text: {completions[0]!r}")
    return curve


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="PPO for text in one file.")
    for field in fields(Args):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    train(Args(**vars(parser.parse_args())))
