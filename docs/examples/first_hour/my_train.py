"""GRPO of a chat model, with LoRA, on rows of one's own: python my_train.py"""

from my_rewards import brief

import rl4lms


def train(model="smollm2", output="runs/brief", n_iters=6, **changes):
    return rl4lms.train(
        model=model,
        data="my_rows.jsonl",
        reward=brief,
        algorithm="grpo",
        output=output,
        n_iters=n_iters,
        max_new_tokens=32,
        set={
            "alg.args.n_prompts": 6,  # times 4 completions: 24 texts an iteration
            "alg.args.completions_per_prompt": 4,
            "alg.args.n_minibatches": 2,
            "alg.args.n_epochs": 2,
            "alg.args.learning_rate": 1e-3,  # of adapters; every weight wants a hundredth of it
            "alg.kl_div.coeff": 0.02,
            "alg.policy.args.lora": {"r": 8, "alpha": 16},
            "train_evaluation.eval_every": 3,
            **changes,
        },
    )


if __name__ == "__main__":
    run = train()
    print(run)
    print(run.curves[["rollout/ep_rew_mean", "rollout/kl_mean", "val/brief"]])
    run.plot().savefig("brief.png")
    for text in run.samples().generated_text:
        print("-", text.strip())
