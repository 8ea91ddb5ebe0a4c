"""Your own policy: here one that learns the last layers alone. It derives from the shipped actor-critics."""

import sys
from typing import Any

from rl4lms.cli.train_text_generation import main
from rl4lms.envs.text_generation.policy.causal_policy import CausalLMActorCriticPolicy
from rl4lms.envs.text_generation.registry import PolicyRegistry


class LastLayersPolicy(CausalLMActorCriticPolicy):
    """n_layers: how many of the transformer's last blocks learn; everything below them stays as it was."""

    def __init__(self, *args: Any, n_layers: int = 1, **kwargs: Any) -> None:
        self.n_layers = n_layers
        super().__init__(*args, **kwargs)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        for block in self.get_language_model().transformer.h[: -self.n_layers]:
            block.requires_grad_(False)
        return super().parameter_groups(weight_decay)


if __name__ == "__main__":
    PolicyRegistry.add("last_layers_policy", LastLayersPolicy)
    sys.exit(main())
