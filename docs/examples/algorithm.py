"""Your own algorithm: Stable-Baselines3's class and a `train()`. Rollouts over text, KL control, checkpoints and
evaluation come with the registration."""

import sys

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl4lms.cli.train_text_generation import main
from rl4lms.envs.text_generation.registry import AlgorithmRegistry


class Reinforce(OnPolicyAlgorithm):
    """The policy gradient, one step a minibatch. A minibatch holds real tokens only, in SB3's fields."""

    def train(self) -> None:
        for batch in self.rollout_buffer.get(self.batch_size):
            _, log_prob, _ = self.policy.evaluate_actions(batch.observations, batch.actions)
            loss = -(batch.advantages * log_prob).mean()
            self.policy.optimizer.zero_grad()
            loss.backward()
            self.policy.optimizer.step()
        self.logger.record("train/loss", loss.item())


if __name__ == "__main__":
    AlgorithmRegistry.add("policy_gradient", Reinforce)
    sys.exit(main())
