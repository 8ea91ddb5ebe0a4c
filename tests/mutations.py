"""Break each detail of the numerical contract, and see the tests fail.

    python -m tests.mutations [--only 4,11] [--jobs 2]

A mutation is one replacement in a copy of the package; it is caught when the tests named beside it fail. Lines are
those of docs/numerics.md. Exit code 1 where a mutation survives, or no longer applies.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOLDEN, INVARIANCES = "tests/numerics/test_golden.py", "tests/policies/test_invariances.py"
PPO, NLPO, TRPO, PARALLEL = (f"tests/algorithms/test_{name}.py" for name in ("ppo", "nlpo", "trpo", "data_parallel"))
COLLECTOR, REPRODUCTION = (f"tests/rollouts/test_{name}.py" for name in ("collector", "reproduction"))
RUN, BUFFER = "tests/training/test_on_policy.py", "tests/rollouts/test_buffer.py"
WHOLE, LEARNED = "tests/core/test_pretrained.py", "tests/metrics/test_learned.py"
PRECISION = "tests/policies/test_precision.py"
IDENTITY, TRACKER = "tests/training/test_identity.py", "tests/tracking/test_tracker.py"
LOCKS, TOKENS = "tests/core/test_locks.py", "tests/tokenization/test_tokenizer.py"
TEXTS = "tests/evaluation/test_generation.py"
OWN = "test_of_the_models_own_settings_only_token_facts_are_taken"
ALONE = "test_a_text_depends_on_neither_its_batch_nor_the_global_generator"


@dataclass(frozen=True)
class Mutation:
    """tests: node ids, one of which must fail once `new` stands for `old` in rl4lms/<file>."""

    line: int
    detail: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutation(line: int, detail: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(line, detail, file, old, new, tests)


MUTATIONS = [
    mutation(1, "positions count padding too", "policies/language_models.py",
             "(mask.long().cumsum(-1) - 1).clamp(min=0)", "torch.arange(mask.shape[-1]).expand(mask.shape)",
             f"{INVARIANCES}::test_padding_changes_nothing"),
    mutation(1, "encoders get left-padded input", "policies/language_models.py",
             "return ids.gather(1, order), mask.gather(1, order)", "return ids, mask",
             f"{INVARIANCES}::test_padding_changes_nothing"),
    mutation(2, "padding is attended to", "policies/language_models.py",
             "return None if bool(mask.all()) else mask", "return None",
             f"{INVARIANCES}::test_batch_composition_changes_nothing"),
    mutation(3, "every eos id is taken for padding", "policies/decoding.py",
             "stopped = torch.isin(ids, self.stops)", "stopped = ids == self.pad_id",
             f"{INVARIANCES}::test_rows_that_end_leave_the_batch_without_a_trace"),
    mutation(4, "the truncation is not recorded", "policies/sequences.py",
             "return None if bits is None else unpack_bits(self.gather(bits), vocab_size)", "return None",
             f"{PPO}::test_first_minibatch_has_ratio_one_and_the_rollouts_values",
             f"{NLPO}::test_sampled_tokens_are_inside_the_mask_and_the_ratio_is_one"),
    mutation(4, "temperature is left out of the score", "numerics/categorical.py",
             "logits = logits / temperature", "logits = logits / 1.0", f"{INVARIANCES}::test_sampled_is_scored",
             f"{GOLDEN}::test_log_softmax_golden"),
    mutation(5, "masked actions keep their probability", "numerics/categorical.py",
             "torch.where(mask, logits, -torch.inf)", "logits", f"{GOLDEN}::test_masked_categorical_golden"),
    mutation(5, "entropy multiplies 0 by -inf", "numerics/categorical.py",
             "logprobs.masked_fill(torch.isneginf(logprobs), 0.0) if truncated else logprobs", "logprobs",
             f"{GOLDEN}::test_entropy_gradient_is_finite_under_a_mask"),
    mutation(6, "logits stay in half precision", "numerics/categorical.py",
             "logits = logits.float()", "logits = logits.to(logits.dtype)",
             f"{INVARIANCES}::test_bf16_model_gives_float32_numbers_and_exactly_zero_kl_to_itself"),
    mutation(6, "weights of bfloat16 without masters", "policies/base.py",
             '"bfloat16": torch.float32', '"bfloat16": torch.bfloat16',
             f"{PRECISION}::test_everything_kept_is_float32_and_kl_to_the_reference_is_0"),
    mutation(6, "the reference computes in float32 where the policy does not", "policies/base.py",
             "with adapters_off, self.arithmetic(model):", "with adapters_off:",
             f"{PRECISION}::test_everything_kept_is_float32_and_kl_to_the_reference_is_0"),
    mutation(6, "tokens are sampled in another precision", "policies/base.py",
             "with self.arithmetic(self.policy_model, *others):", "with nullcontext():",
             f"{PRECISION}::test_every_product_of_the_policys_models_is_in_bfloat16"),
    mutation(6, "the value model computes in another precision", "policies/base.py",
             "with self.arithmetic():\n            hidden = self", "with nullcontext():\n            hidden = self",
             f"{PRECISION}::test_every_product_of_the_policys_models_is_in_bfloat16"),
    mutation(6, "values are rounded to bfloat16 in the rollout", "policies/base.py",
             "with torch.autocast(hidden.device.type, enabled=False):", "with nullcontext():",
             f"{PRECISION}::test_values_of_rollout_and_update_are_the_same_numbers"),
    mutation(6, "frozen weights are cast for every token", "policies/precision.py",
             "parameter.requires_grad_(True)", "parameter.requires_grad_(False)",
             f"{PRECISION}::test_a_frozen_weight_is_cast_once_a_block"),
    mutation(6, "float16 is taken", "config/arguments.py",
             'if dtype == "float16":', 'if dtype == "float8":',
             f"{PRECISION}::test_float16_is_refused_with_its_reason"),
    mutation(7, "k1 with the sign flipped", "numerics/kl.py",
             "return logprobs - ref_logprobs", "return ref_logprobs - logprobs",
             f"{GOLDEN}::test_kl_estimators_golden"),
    mutation(7, "k3 of the other direction", "numerics/kl.py",
             "log_ratio = ref_logprobs - logprobs", "log_ratio = logprobs - ref_logprobs",
             f"{GOLDEN}::test_kl_estimators_golden"),
    mutation(8, "the score lands on the first token", "rollouts/scoring.py",
             "scores[i][-1] = finite", "scores[i][0] = finite",
             f"{PPO}::test_rollout_fills_exactly_and_places_rewards"),
    mutation(8, "the penalty is added, not subtracted", "rollouts/collector.py",
             "scores - self.kl_controller.kl_coeff", "scores + self.kl_controller.kl_coeff",
             f"{PPO}::test_rollout_fills_exactly_and_places_rewards"),
    mutation(9, "generation goes on after eos", "policies/decoding.py",
             "if spec.stop_on_eos and stop_ids else None", "if False else None",
             f"{INVARIANCES}::test_rows_that_end_leave_the_batch_without_a_trace"),
    mutation(10, "a cut episode bootstraps with 0", "rollouts/collector.py",
             "torch.where(ended, 0.0, wave", "torch.where(ended | ~ended, 0.0, wave",
             f"{PPO}::test_cut_episode_bootstraps_with_the_next_value"),
    mutation(10, "an episode longer than the buffer is cut twice", "rollouts/collector.py",
             "kept = lengths.minimum((self.n_steps - before).clamp(min=0))",
             "kept = lengths - (before + lengths - self.n_steps).clamp(min=0).clamp(max=3)",
             f"{COLLECTOR}::test_every_buffer_is_filled_exactly_and_the_last_episode_alone_is_cut_once"),
    mutation(10, "the buffer may be shorter than an episode", "rollouts/collector.py",
             "if n_steps < task.max_episode_length:", "if n_steps < 1:",
             f"{COLLECTOR}::test_a_buffer_that_cannot_hold_an_episode_is_refused"),
    mutation(10, "a configuration's buffer may be shorter than an episode", "config/schema.py",
             "if n_steps * n_envs < longest:", "if n_steps * n_envs < 1:",
             "tests/config/test_schema.py::test_a_buffer_holds_one_episode_at_least"),
    mutation(11, "the last step looks into padding", "numerics/advantages.py",
             "torch.where(last, bootstrap, next_value)", "next_value",
             f"{GOLDEN}::test_gae_ragged_equals_definition_and_ignores_poisoned_padding"),
    mutation(11, "lambda is left out", "numerics/advantages.py",
             "gamma * gae_lambda * torch", "gamma * torch", f"{GOLDEN}::test_gae_golden"),
    mutation(12, "whitened with padding", "numerics/masked.py",
             "return masked_sum(values, mask) / mask.sum()", "return masked_sum(values, mask) / mask.numel()",
             f"{BUFFER}::test_whole_episodes_are_whitened_once_over_the_rollout"),
    mutation(12, "biased standard deviation", "numerics/masked.py",
             "squares / (n - int(unbiased))", "squares / n", f"{GOLDEN}::test_whitening_golden_and_slice"),
    mutation(12, "each minibatch of episodes is whitened by itself", "rollouts/buffer.py",
             'if self.normalize_advantage and self.minibatch == "transitions":', "if self.normalize_advantage:",
             f"{BUFFER}::test_whole_episodes_are_whitened_once_over_the_rollout"),
    mutation(12, "nothing is whitened under episodes", "rollouts/buffer.py",
             'if self.normalize_advantage and self.minibatch == "episodes":', "if False:",
             f"{BUFFER}::test_whole_episodes_are_whitened_once_over_the_rollout"),
    mutation(12, "transitions are whitened over the rollout", "rollouts/buffer.py",
             'if self.normalize_advantage and self.minibatch == "episodes":', "if self.normalize_advantage:",
             f"{BUFFER}::test_transitions_are_whitened_over_each_optimiser_step"),
    mutation(12, "a single token is whitened", "numerics/masked.py",
             "if int(mask.sum()) < 2:", "if False:", f"{BUFFER}::test_a_single_token_is_left_as_it_is"),
    mutation(12, "the algorithm's setting never reaches the buffer", "algorithms/on_policy_text.py",
             "self.rollout_buffer.normalize_advantage, self", "_, self",
             f"{PPO}::test_units_and_the_naive_loop_have_the_same_gradient"),
    mutation(12, "a user's train() whitens what is white", "algorithms/on_policy_text.py",
             "self.normalize_advantage = True, False", "self.normalize_advantage = True, True",
             f"{PPO}::test_sb3s_own_ppo_is_whitened_once"),
    mutation(13, "dropout stays on", "policies/base.py",
             "super().set_training_mode(False)", "super().set_training_mode(True)",
             f"{PPO}::test_first_minibatch_has_ratio_one_and_the_rollouts_values"),
    mutation(13, "what the update scores is not compared", "rollouts/reproduction.py",
             "if not worst <= limit:", "if worst > 1e9:", f"{REPRODUCTION}::test_the_line_names_the_likely_cause"),
    mutation(13, "values are compared absolutely", "rollouts/reproduction.py",
             " / batch.values.abs().max().clamp(min=1)", "",
             f"{REPRODUCTION}::test_large_values_are_no_false_alarm"),
    mutation(29, "half precision is compared with itself", "rollouts/reproduction.py",
             "logprobs, sampler = batch.logprobs[batch.mask], sampled[batch.mask]",
             "logprobs, sampler = batch.logprobs[batch.mask], batch.logprobs[batch.mask]",
             f"{REPRODUCTION}::test_half_precision_is_held_against_the_sampler"),
    mutation(29, "the sampler's log-probabilities are not kept", "rollouts/collector.py",
             "return _Wave(sequences, decoded.logprobs, logprobs,", "return _Wave(sequences, logprobs, logprobs,",
             f"{REPRODUCTION}::test_half_precision_is_held_against_the_sampler"),
    mutation(29, "what is measured is not logged", "algorithms/on_policy_text.py",
             "self.kl_controller.kl_coeff) | sampler_numbers", "self.kl_controller.kl_coeff)",
             f"{REPRODUCTION}::test_what_is_measured_is_logged_each_iteration"),
    mutation(29, "weights are the other way round", "numerics/importance.py",
             "(logprobs - sampler_logprobs).detach()", "(sampler_logprobs - logprobs).detach()",
             f"{GOLDEN}::test_truncated_weights_take_out_a_noisy_samplers_bias"),
    mutation(13, "values of a shared trunk compute logits", "policies/language_models.py",
             "return _forward_to_head(scorer, model, view, 0)[1]",
             "return _forward_to_head(scorer, model, view, len(view))[1]",
             f"{PPO}::test_values_of_a_shared_trunk_compute_no_logits"),
    mutation(14, "mean of micro-batch means", "algorithms/on_policy_text.py",
             "numbers = loss(part, len(batch))", "numbers = loss(part, len(part))",
             f"{PPO}::test_micro_batches_have_the_gradient_of_the_batch"),
    mutation(14, "gradients are not summed over processes", "algorithms/on_policy_text.py",
             "sum_gradients(p for p in self.policy.parameters() if p.requires_grad)", "pass",
             f"{PARALLEL}::test_an_iteration_is_that_of_one_process"),
    mutation(22, "the first process scores every episode", "rollouts/collector.py",
             "if owner == rank()", "if owner >= rank()", f"{PARALLEL}::test_an_iteration_is_that_of_one_process"),
    mutation(14, "the ratio is clipped on one side", "numerics/losses.py",
             "torch.clamp(ratio, 1 - clip_range, 1 + clip_range)", "torch.clamp(ratio, max=1 + clip_range)",
             f"{GOLDEN}::test_ppo_loss_golden"),
    mutation(16, "progress as Stable-Baselines3 counts it", "algorithms/on_policy_text.py",
             "steps_before = num_timesteps - self.n_steps * self.n_envs", "steps_before = num_timesteps",
             f"{PPO}::test_linear_schedule_never_reaches_zero"),
    mutation(17, "vectors are decayed", "policies/base.py",
             "[p for p in trainable if p.ndim < 2], \"weight_decay\": 0.0",
             "[p for p in trainable if p.ndim < 2], \"weight_decay\": weight_decay",
             f"{PPO}::test_optimiser_groups_partition_the_trainable_parameters"),
    mutation(18, "the error is not clipped", "rollouts/kl_controller.py",
             "min(max(error, -self.CLIP), self.CLIP)", "error", "tests/rollouts/test_kl_controller.py::test_golden"),
    mutation(18, "a target of 0 is taken", "rollouts/kl_controller.py",
             "not 0 < target_kl < math.inf", "False",
             "tests/rollouts/test_kl_controller.py::test_a_target_that_cannot_be_held_is_refused"),
    mutation(18, "a KL that is nan moves the coefficient", "rollouts/kl_controller.py",
             "if not math.isfinite(kl):", "if False:",
             "tests/rollouts/test_kl_controller.py::test_a_kl_that_is_not_finite_ends_the_run"),
    mutation(18, "target_kl of PPO may be 0", "algorithms/on_policy_text.py",
             "not value > 0", "False", f"{PPO}::test_a_number_that_must_be_above_0_is_refused_through_the_api"),
    mutation(19, "the reference is the policy itself", "policies/base.py",
             "self.reference_model: Any = copy.deepcopy(model).requires_grad_(False)",
             "self.reference_model: Any = model", f"{PPO}::test_reference_is_untouched_by_updates"),
    mutation(20, "the refreshed mask never reaches generation", "policies/maskable.py",
             "mask.copy_(current)", "current.clone()",
             f"{NLPO}::test_a_refresh_changes_the_mask_in_use_and_nothing_else_does"),
    mutation(20, "a refresh every iteration", "algorithms/nlpo.py",
             "self.iteration % self.policy.target_update_iterations == 0", "True",
             f"{NLPO}::test_refreshes_happen_at_their_iterations_only"),
    mutation(20, "eos is not always allowed", "policies/decoding.py",
             "learned.index_fill_(1, id_tensor(self.stop_ids, learned.device), True)", "pass",
             f"{NLPO}::test_min_length_wins_over_eos_always_allowed",
             f"{NLPO}::test_sampled_tokens_are_inside_the_mask_and_the_ratio_is_one"),
    mutation(21, "bits in the other order", "numerics/packing.py",
             "(packed.unsqueeze(-1) >> shifts) & 1", "(packed.unsqueeze(-1) >> (7 - shifts)) & 1",
             f"{GOLDEN}::test_packed_bits_round_trip"),
    mutation(22, "draws come from the global generator", "rollouts/collector.py",
             "torch.rand(n, generator=generator, dtype=torch.float64)", "torch.rand(n, dtype=torch.float64)",
             f"{PPO}::test_first_episodes_do_not_depend_on_the_number_of_steps"),
    mutation(22, "draws are not keyed by the iteration", "rollouts/collector.py",
             'torch_generator(self.seed, "rollout", iteration, episode)',
             'torch_generator(self.seed, "rollout", 0, episode)', f"{PPO}::test_seed_decides_everything"),
    mutation(23, "the optimiser's state is not restored", "training/checkpoint.py",
             "    optimizer.load_state_dict({\"state\": state, \"param_groups\": groups})\n", "",
             f"{RUN}::test_resume_is_exact"),
    mutation(23, "another thread count resumes", "core/work_directory.py",
             "identity = own | process_facts()", "identity = own",
             "tests/core/test_work_directory.py::test_another_runs_progress_is_set_aside"),
    mutation(23, "a checkpoint of other kernels is resumed", "training/identity.py",
             "own | process_facts() | self.parts", "own | self.parts",
             "tests/training/test_identity.py::test_how_the_process_computes_is_part_of_it"),
    mutation(23, "MKL takes other kernels", "core/kernels.py",
             '"MKL_CBWR": "AVX2,STRICT"', '"MKL_CBWR": "COMPATIBLE"',
             "tests/core/test_kernels.py::test_an_operation_of_the_suite_gives_the_recorded_bytes"),
    mutation(23, "torch takes other kernels", "core/kernels.py",
             '"ATEN_CPU_CAPABILITY": "avx2"', '"ATEN_CPU_CAPABILITY": "default"',
             "tests/core/test_kernels.py::test_an_operation_of_the_suite_gives_the_recorded_bytes"),
    mutation(23, "torch is loaded and nothing is said", "core/kernels.py",
             "if kernels != settled_kernels() and has_avx2():", "if False:",
             "tests/core/test_kernels.py::test_a_setting_that_comes_too_late_is_named_the_other_way_round"),
    mutation(23, "a user's reward is no part of a run's identity", "training/identity.py",
             "if name in t and not t.is_shipped(name)]", "if False]",
             f"{IDENTITY}::test_a_used_reward_is_part_of_it_and_an_unused_one_is_not"),
    mutation(23, "the samples are no part of a run's identity", "training/identity.py",
             "for split in _splits(config, evaluate_test):", "for split in ():",
             f"{IDENTITY}::test_an_edited_file_that_the_users_own_pool_reads_is_another_run"),
    mutation(23, "what a user's function reads is no part of it", "core/user_code.py",
             "self._names(function.__code__, space, name)", "pass", "tests/core/test_user_code.py"),
    mutation(23, "predictions are no part of a resumed state", "tracking/tracker.py",
             "return state | self._predictions", "return state",
             f"{TRACKER}::test_predictions_after_the_checkpoint_are_removed_and_edited_ones_refused"),
    mutation(23, "a second writer goes unnoticed", "tracking/tracker.py",
             "if found != written:", "if False:", f"{TRACKER}::test_a_second_writer_is_noticed"),
    mutation(23, "a forked child keeps the lock", "core/locks.py",
             "os.register_at_fork(after_in_child=_forget)", "",
             f"{LOCKS}::test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent"),
    mutation(23, "an owner that may live is taken over", "core/locks.py",
             "if found is None or not _is_dead(found):", "if found is None:",
             f"{LOCKS}::test_without_locks_a_living_owner_is_respected_and_a_dead_one_taken_over"),
    mutation(23, "Ctrl-C does not save", "training/preemption.py",
             "SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)", "SIGNALS = (signal.SIGTERM,)",
             f"{RUN}::test_ctrl_c_saves_after_the_update_and_the_same_call_ends_alike"),
    mutation(23, "hidden files of others are swept away", "core/work_directory.py",
             'path.rglob(f".*{SCRATCH}")', 'path.rglob(".*")',
             "tests/core/test_work_directory.py::test_what_a_killed_process_left_half_written_is_removed"),
    mutation(24, "stepping ends an episode a token late", "envs/text_generation/env.py",
             "len(current.context_ids))\n        info", "len(previous.context_ids))\n        info",
             "tests/envs/test_text_env.py::test_stepping_equals_scoring"),
    mutation(25, "A2C sums over the rollout", "algorithms/a2c.py",
             "-(batch.advantages * log_prob).sum() / n_tokens", "-(batch.advantages * log_prob).sum()",
             f"{PPO}::test_a2c_is_ppo_with_one_step_and_no_clipping"),
    mutation(26, "conjugate gradient forgets its direction", "numerics/natural_gradient.py",
             "direction = residual + (following / squared) * direction", "direction = residual",
             "tests/numerics/test_natural_gradient.py::test_conjugate_gradient_equals_solve"),
    mutation(26, "a rejected step is kept", "algorithms/trpo.py",
             "        if not accepted:\n            self._set(parameters, before, None)\n", "",
             f"{TRPO}::test_a_rejected_step_restores_bit_for_bit"),
    mutation(27, "the last minibatch is dropped", "rollouts/buffer.py",
             "for bin_ in bins.unique():", "for bin_ in bins.unique()[:-1]:",
             f"{PPO}::test_every_step_is_in_one_minibatch"),
    mutation(35, "missing tensors are drawn at random", "core/pretrained.py",
             "if not missing and not reshaped:", "if not reshaped:", f"{WHOLE}::test_one_missing_tensor_is_named"),
    mutation(35, "tensors of another shape are drawn at random", "core/pretrained.py",
             "if not missing and not reshaped:", "if not missing:", f"{WHOLE}::test_another_shape_is_named"),
    mutation(35, "a lost embedding passes for a tied one", "core/pretrained.py",
             'set(loading["missing_keys"]) - set(tied)',
             'set(loading["missing_keys"]) - set(tied) - set(tied.values())',
             f"{WHOLE}::test_one_missing_tensor_is_named"),
    mutation(35, "the base under an adapter is not looked at", "core/pretrained.py",
             "model = model_from_pretrained(auto, base, what, unread=replaced or unread, **arguments)",
             "model, _ = from_pretrained(auto, base, what, **arguments)",
             f"{WHOLE}::test_an_adapter_and_its_base_are_whole"),
    mutation(35, "a classifier's pooler may be missing", "metrics/classifier.py",
             "self.model_name, self.kind)\n\n    def _count",
             "self.model_name, self.kind, unread=\"pooler\")\n\n    def _count",
             f"{WHOLE}::test_an_encoder_needs_no_pooler_and_a_classifier_over_it_does"),
    mutation(35, "one label gets a softmax", "metrics/classifier.py",
             'kind == "multi_label_classification" or self.n_labels == 1', 'kind == "multi_label_classification"',
             f"{LEARNED}::test_a_score_is_what_the_pipeline_gives"),
    mutation(35, "several labels at once get a softmax", "metrics/classifier.py",
             'kind == "multi_label_classification" or self.n_labels == 1', "self.n_labels == 1",
             f"{LEARNED}::test_a_score_is_what_the_pipeline_gives"),
    mutation(35, "a regression is squashed", "metrics/classifier.py",
             'if kind == "regression":', "if False:", f"{LEARNED}::test_a_score_is_what_the_pipeline_gives"),
    mutation(9, "the text goes on after a stop token", "tokenization/continuation.py",
             "for token in until_stop(response_ids, self.stop_ids) if", "for token in response_ids if",
             f"{TOKENS}::test_a_text_ends_with_the_first_of_all_stop_tokens"),
    mutation(33, "gaps are filled from the model's own settings", "policies/beams.py",
             "    model.generation_config = config\n", "", f"{TEXTS}::{OWN}[gpt2-beams]"),
    mutation(33, "of several stop tokens one is read", "policies/token_facts.py",
             "return token_set([i for each in found for i in each])", "return found[0][:1]",
             f"{TEXTS}::{OWN}[gpt2-sampling]"),
    mutation(33, "every sample has the same stream", "evaluation/generation.py",
             'torch_generator(self.seed, "evaluation", i) for i in index',
             'torch_generator(self.seed, "evaluation", 0) for i in index', f"{TEXTS}::{ALONE}[gpt2-sampling]"),
    mutation(33, "sampled beams draw from the global generator", "policies/beams.py",
             "            torch.manual_seed(seed)\n", "", f"{TEXTS}::{ALONE}[gpt2-sampled beams]"),
    mutation(33, "beams read a left-padded encoder input", "policies/beams.py",
             "        ids, mask = to_right_padding(ids, mask)\n", "",
             f"{TEXTS}::test_beams_read_an_encoders_prompts_from_its_first_position"),
    mutation(33, "padding counts as a repetition", "policies/token_rules.py",
             "history.mask.to(logits.dtype)", "torch.ones_like(history.mask, dtype=logits.dtype)",
             f"{TEXTS}::test_padding_is_no_repetition"),
    mutation(33, "rollouts do without the token rules", "policies/truncation.py",
             "rules = TokenRules.from_kwargs(kwargs)", "rules = TokenRules()",
             f"{PPO}::test_token_rules_are_masks_of_the_rollout"),
    mutation(33, "an episode is as long as the environment says", "training/builders.py",
             "generation.max_new_tokens or args.max_episode_length", "args.max_episode_length",
             "tests/training/test_every_key.py::test_every_key_is_executed[causal]"),
    mutation(33, "minimum length is not compared with the episode's", "config/generation.py",
             "g = g.with_length(episode_length)", "pass",
             "tests/config/test_generation.py::test_lengths_that_contradict"),
    mutation(34, "a continuation is decoded alone", "tokenization/continuation.py",
             "self._decode((*self.prompt_ids, *kept))", "self._decode(kept)",
             f"{TOKENS}::test_a_continuation_is_what_it_adds_to_its_prompt"),
    mutation(34, "half a character hides what completes it", "tokenization/continuation.py",
             "if whole.startswith(before):", "if True:",
             f"{TOKENS}::test_a_continuation_is_what_it_adds_to_its_prompt"),
]  # fmt: skip


def run(mutated: Mutation) -> str:
    """ "caught", "SURVIVED", or why it could not be tried."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("rl4lms", "tests", "params"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        path = copy / "rl4lms" / mutated.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutated.old) != 1:
            return f"NOT APPLIED: found {text.count(mutated.old)} times in {mutated.file}"
        path.write_text(text.replace(mutated.old, mutated.new), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-o",
            "addopts=",
            *mutated.tests,
        ]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode == 1:
        return "caught"
    return "SURVIVED" if done.returncode == 0 else f"NOT RUN: {done.stdout.strip().splitlines()[-1:]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=lambda text: {int(x) for x in text.split(",")}, help="lines, as in 4,11")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    chosen = [m for m in MUTATIONS if args.only is None or m.line in args.only]
    with ThreadPoolExecutor(args.jobs) as pool:
        outcomes = list(pool.map(run, chosen))
    for mutated, outcome in zip(chosen, outcomes, strict=True):
        print(f"{mutated.line:>3}  {mutated.detail:<48} {outcome}")
    caught = outcomes.count("caught")
    print(f"{caught} of {len(chosen)} mutations caught")
    return int(caught < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
