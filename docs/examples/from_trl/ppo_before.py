"""PPO with TRL 1.12.0, the last release that has it: a classifier of film reviews as reward."""

from pathlib import Path

from datasets import concatenate_datasets, load_dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl.experimental.ppo import PPOConfig, PPOTrainer

MODEL = "gpt2"
REWARD_MODEL = "my-org/gpt2-review-score"  # with one output, and the tokenizer of MODEL

tokenizer = AutoTokenizer.from_pretrained(MODEL, padding_side="left")
# Were it eos, the eos that ends a text would be masked.
tokenizer.add_special_tokens({"pad_token": "[PAD]"})
openings = Path(__file__).with_name("openings.jsonl")
rows = load_dataset("json", data_files=str(openings), split="train")
rows = concatenate_datasets([rows] * 6)  # 72: with fewer rows than a batch of 64 the trainer waits for ever
rows = rows.map(lambda row: tokenizer(row["prompt"]), remove_columns=["prompt"])
args = PPOConfig(
    output_dir="runs/ppo_before",
    seed=0,
    total_episodes=3200,
    per_device_train_batch_size=8,
    gradient_accumulation_steps=8,
    num_ppo_epochs=4,
    num_mini_batches=1,
    response_length=32,
    stop_token="eos",
    temperature=0.7,
    learning_rate=1e-5,
    lr_scheduler_type="linear",
    kl_coef=0.05,
    cliprange=0.2,
    cliprange_value=0.2,
    vf_coef=0.1,
    gamma=1.0,
    lam=0.95,
)
trainer = PPOTrainer(
    args,
    tokenizer,
    AutoModelForCausalLM.from_pretrained(MODEL),
    ref_model=AutoModelForCausalLM.from_pretrained(MODEL),
    reward_model=AutoModelForSequenceClassification.from_pretrained(REWARD_MODEL, num_labels=1),
    value_model=AutoModelForSequenceClassification.from_pretrained(REWARD_MODEL, num_labels=1),
    train_dataset=rows,
    eval_dataset=rows,
)
trainer.train()
trainer.save_model("runs/ppo_before/model")
