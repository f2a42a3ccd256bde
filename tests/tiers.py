"""Which tests a command runs, told by the file that they are in.

``make check`` leaves out every tier. ``make test`` runs all of them less what is `LEFT_OUT`, and of what is `SHORTENED`
only the cases that stand there; with ``NORMFREE_TEST_LONG=1``, as CI sets it, it runs every case, and loops whole.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

VARIABLE = "NORMFREE_TEST_LONG"
LONG = os.environ.get(VARIABLE, "") not in ("", "0")

TIERS = {
    "run": "trains a network",
    "process": "starts commands, or processes that train",
    "chaos": "kills processes, hangs them or fills a disk",
    "slurm": "needs a SLURM, which it starts itself",
    "slow": "compiles, exports or measures for seconds",
}

PLACES = {
    "tests/api/": "run",
    "tests/bench/": "run",
    "tests/cli/": "process",
    "tests/evaluate/": "run",
    "tests/evaluate/test_command.py": "process",
    "tests/data/test_corrupting.py": "slow",
    "tests/export/": "run",
    "tests/lightning/": "run",
    "tests/serve/": "process",
    "tests/slurm/": "slurm",
    "tests/slurm/test_refused.py": "process",
    "tests/sweep/": "process",
    "tests/sweep/trials/test_commands.py::test_a_search_that_was_killed_goes_on_and_is_drawn": "chaos",
    "tests/train/": "run",
    "tests/trained/": "run",
    "tests/test_api_page.py": "process",
    "tests/test_finetune_page.py": "process",
    "tests/test_gpu_session.py": "process",
    "tests/test_wheel.py": "slow",
    "tests/docs/": "process",
    "tests/train/test_flipped_bits.py": "chaos",
    "tests/train/test_full_disk.py": "chaos",
    "tests/train/ranks/test_hung_ranks.py": "chaos",
    "tests/train/test_killed.py": "chaos",
    "tests/train/ranks/test_killed_ranks.py": "chaos",
    "tests/train/test_killed_workers.py": "chaos",
    "tests/clip/test_classifier.py::test_of_ours_it_is_the_one_that_runs_leave_alone": "slow",
    "tests/test_compiled_for_gpus.py": "slow",
    "tests/nets/normalizers/test_laws.py::test_it_is_one_graph": "slow",
    "tests/nets/normalizers/test_laws.py::test_it_is_exported": "slow",
    "tests/config/test_hub.py": "slow",
    "tests/data/test_convert.py": "slow",
    "tests/data/test_cut.py": "slow",
    "tests/data/test_ffcv.py": "slow",
    "tests/data/test_patience.py": "slow",
    "tests/data/test_share.py": "slow",
    "tests/data/test_tested_pixels.py": "slow",
    "tests/data/test_workers.py": "slow",
    "tests/nets/test_bn_nfnet.py": "slow",
    "tests/nets/test_convert.py": "slow",
    "tests/nets/test_deployment.py": "slow",
    "tests/nets/test_devices.py": "slow",
    "tests/nets/test_models_page.py": "slow",
    "tests/nets/test_network_cost.py": "slow",
    "tests/nets/test_network_laws.py::test_torch_compile_sees_one_graph": "slow",
    "tests/nets/test_peers.py": "slow",
    "tests/nets/test_sample_noise.py::test_an_image_is_the_same_in_every_cut_and_another_in_every_step": "slow",
    "tests/nets/test_seal.py": "slow",
    "tests/nets/test_timm_dm_nfnet.py": "slow",
    "tests/nets/test_traffic.py": "slow",
    "tests/report/test_faults.py": "slow",
    "tests/clip/test_backends.py::test_triton_kernel_against_the_released_code": "slow",
    "tests/nets/test_network_laws.py::test_every_network_says_what_normalises_it": "slow",
    "tests/nets/test_nf_regnet.py::test_flops_of_the_released_counter": "slow",
    "tests/nets/test_tanh_gelu.py::test_a_first_import_on_the_meta_device_leaves_real_numbers": "process",
    "tests/report/test_clipped_layers.py::test_it_is_a_figure_of_the_report": "slow",
    "tests/report/test_paper.py": "slow",
    "tests/report/test_report.py::test_failures_add_up": "slow",
    "tests/report/test_report.py::test_mistakes_are_one_line": "slow",
    "tests/report/test_searched.py": "slow",
    "tests/report/test_signal.py::test_drawing_and_joining_import_no_torch": "process",
    "tests/study/test_sizes_fit.py": "slow",
    "tests/study/test_stored.py::test_rows_of_committed_reports_come_back_as_they_are": "slow",
    "tests/study/test_stored.py::test_a_report_is_made_again_without_its_runs": "slow",
    "tests/study/test_stored.py::test_figures_of_runs_that_are_kept_nowhere_stay_as_they_are": "slow",
    "tests/test_architecture.py::test_building_needs_no_lightning": "process",
    "tests/test_architecture.py::test_its_parts_are_there_when_they_are_used": "process",
    "tests/test_architecture.py::test_parts_that_know_no_torch": "process",
    "tests/test_architecture.py::test_parts_that_know_torch_alone": "process",
    "tests/test_architecture.py::test_wandb_is_imported_only_by_a_run_that_asks_for_it": "process",
    "tests/report/test_long_curves.py": "slow",
    "tests/runs/test_checksums.py": "slow",
    "tests/runs/test_other_data.py": "run",
}
"""The tier of a folder, file or test; what says more of a place comes before what says less."""

QUICK = (
    "tests/evaluate/test_class_names.py",
    "tests/evaluate/test_numbers.py",
    "tests/slurm/test_settings.py",
    "tests/docs/test_blocks.py",
    "tests/docs/test_quoted.py",
    "tests/docs/test_site.py",
    "tests/sweep/test_grids.py",
    "tests/sweep/test_schedule.py",
    "tests/sweep/trials/test_block.py",
    "tests/sweep/trials/test_judging.py",
    "tests/train/test_evaluation.py",
    "tests/train/test_outcome.py",
    "tests/train/ranks/test_rank.py",
)
"""Files in those places that are of no tier."""

LEFT_OUT = (
    "tests/api/test_api.py::test_a_run_is_what_the_command_makes",
    "tests/api/test_api.py::test_a_sweep_gives_its_table",
    "tests/bench/test_bench.py::test_networks_are_measured_beside_their_peers",
    "tests/bench/test_data.py::test_every_loader_is_measured",
    "tests/bench/test_latency.py::test_networks_that_do_not_fit_together_are_measured_one_by_one",
    "tests/bench/test_latency.py::test_resuming_leaves_out_what_is_there",
    "tests/bench/test_latency.py::test_what_takes_too_long_when_tried_is_not_measured",
    "tests/bench/test_loop.py::test_both_loops_and_the_cell_are_measured",
    "tests/bench/test_sweep.py",
    "tests/bench/test_together.py",
    "tests/bench/test_train.py::test_a_race_that_is_cut_leaves_the_rounds_that_it_ended",
    "tests/bench/test_train.py::test_all_take_bfloat16_random_sizes_and_no_average",
    "tests/bench/test_train.py::test_all_train_the_same_number_of_images_and_evaluate_at_the_same_passes",
    "tests/bench/test_train.py::test_contestants_have_processes_of_their_own",
    "tests/bench/test_train.py::test_the_command_measures_all",
    "tests/cli/test_commands.py::test_a_failing_cell_is_recorded_and_the_others_go_on",
    "tests/cli/test_commands.py::test_a_killed_run_can_be_started_again",
    "tests/cli/test_commands.py::test_a_killed_sweep_takes_its_workers_with_it",
    "tests/cli/test_commands.py::test_a_second_process_on_the_same_run",
    "tests/cli/test_commands.py::test_a_torchvision_of_another_build_is_named",
    "tests/cli/test_commands.py::test_ctrl_c_in_a_sweep_leaves_no_process_and_resumable_runs",
    "tests/cli/test_commands.py::test_the_plan_for_several_nodes",
    "tests/cli/test_commands.py::test_wandb_without_a_key_costs_a_warning",
    "tests/cli/test_main.py::test_a_sweep_and_its_runs_in_an_empty_folder",
    "tests/cli/test_sized.py::test_a_size_has_runs_and_a_report_of_its_own_and_leaves_out_what_it_lacks",
    "tests/cli/test_stress.py::test_train_py_passes_a_probe_on",
    "tests/compose/test_plugins.py::test_a_run_of_what_a_package_offers",
    "tests/config/test_effect.py::test_the_command_tells_it",
    "tests/config/test_hub.py::test_a_plan_fetches_nothing_and_a_run_trains_and_needs_no_network_the_next_time",
    "tests/data/test_convert.py::test_a_killed_conversion_leaves_no_file",
    "tests/data/test_cut.py",
    "tests/data/test_patience.py",
    "tests/docs/test_reference.py::test_every_file_of_a_run_a_sweep_and_a_report_is_there",
    "tests/docs/test_tour.py",
    "tests/evaluate/test_command.py::test_an_attack_finds_no_more_images_right",
    "tests/evaluate/test_command.py::test_another_set_is_counted_anew_and_one_that_was_moved_is_not",
    "tests/evaluate/test_command.py::test_folded_gives_the_same_predictions",
    "tests/evaluate/test_command.py::test_no_other_evaluation_is_written_over",
    "tests/evaluate/test_command.py::test_raw_and_ema_are_as_accurate_as_the_result_says",
    "tests/evaluate/test_command.py::test_two_devices_count_as_one_does",
    "tests/evaluate/test_command.py::test_what_workers_read_is_as_accurate_as_the_result_says",
    "tests/export/test_export.py::test_an_exported_file_is_exported_and_evaluated_in_its_turn",
    "tests/nets/test_fold.py::test_channels_last_half_precision_and_compilation",
    "tests/nets/test_kernels.py::test_they_compute_what_plain_operations_do",
    "tests/nets/test_models_page.py",
    "tests/nets/test_timm_dm_nfnet.py::test_compiled_and_in_half_precision",
    "tests/report/test_augment.py::test_the_command_draws_and_writes",
    "tests/report/test_clipped_layers.py::test_it_is_a_figure_of_the_report",
    "tests/report/test_cut_page.py",
    "tests/report/test_long_curves.py",
    "tests/report/test_paper.py",
    "tests/report/test_report.py::test_command",
    "tests/report/test_report.py::test_same_bytes_in_another_process_place_and_order",
    "tests/report/test_searched.py",
    "tests/report/test_signal.py::test_the_command_measures_and_writes",
    "tests/serve/test_attacks.py::test_a_second_client_is_served_beside_a_large_image",
    "tests/serve/test_attacks.py::test_bodies_that_never_come",
    "tests/serve/test_attacks.py::test_damaged_frames",
    "tests/serve/test_attacks.py::test_heads_that_never_end",
    "tests/serve/test_networks.py::test_an_exported_network",
    "tests/serve/test_page.py",
    "tests/serve/test_reception.py::test_a_page_for_others",
    "tests/slurm/test_cluster.py",
    "tests/slurm/test_launch.py",
    "tests/slurm/test_own_parts.py",
    "tests/slurm/test_refused.py::test_gpus_are_where_the_jobs_run",
    "tests/slurm/test_requeue.py",
    "tests/slurm/test_search.py",
    "tests/slurm/test_watching.py",
    "tests/study/test_stored.py::test_a_report_is_made_again_without_its_runs",
    "tests/study/test_stored.py::test_figures_of_runs_that_are_kept_nowhere_stay_as_they_are",
    "tests/sweep/test_again.py::test_a_sweep_anew",
    "tests/sweep/test_edited_code.py",
    "tests/sweep/test_forking.py::test_it_has_torch",
    "tests/sweep/test_live_table.py::test_a_sweep_keeps_a_table_up_to_date",
    "tests/sweep/test_refused.py::test_a_sweep_that_has_its_results_needs_no_torch",
    "tests/sweep/test_runs_command.py::test_a_failed_run_is_shown_and_started_again",
    "tests/sweep/test_search.py::test_a_search_trains_ordinary_runs_of_its_experiment",
    "tests/sweep/test_side_by_side.py",
    "tests/sweep/test_stored.py::test_a_foreign_plan_names_code_in_vain_until_the_user_names_it",
    "tests/sweep/test_stored.py::test_the_plan_that_the_user_started_goes_on_without_asking",
    "tests/sweep/test_two_stages.py",
    "tests/sweep/trials/test_commands.py::test_a_search_that_was_killed_goes_on_and_is_drawn",
    "tests/sweep/trials/test_commands.py::test_ctrl_c_ends_it_and_the_plan_tells_the_whole",
    "tests/sweep/trials/test_commands.py::test_two_processes_share_the_trials_of_one_journal",
    "tests/test_api_page.py",
    "tests/test_architecture.py::test_wandb_is_imported_only_by_a_run_that_asks_for_it",
    "tests/test_gpu_session.py::test_the_quickstart_and_its_report",
    "tests/test_gpu_session.py::test_the_speed_run_and_its_report",
    "tests/test_wheel.py",
    "tests/train/parts/test_own_faults.py::test_a_command_tells_it_in_one_line",
    "tests/train/parts/test_own_parts.py::test_ranks_compute_what_one_process_would",
    "tests/train/parts/test_own_parts.py::test_the_pool_trains_them",
    "tests/train/parts/test_random_networks.py::test_two_ranks_equal_one_process",
    "tests/train/ranks/test_gradient_dtype.py::test_a_run_is_near_one_in_32_bits_and_goes_on_with_other_ranks",
    "tests/train/ranks/test_hung_ranks.py::test_a_deadlock_is_told_with_its_place",
    "tests/train/ranks/test_hung_ranks.py::test_a_hung_task_of_slurm_ends_the_run",
    "tests/train/ranks/test_hung_ranks.py::test_a_stopped_rank_ends_the_run",
    "tests/train/ranks/test_hung_ranks.py::test_long_work_with_signs_of_progress_is_no_hang",
    "tests/train/ranks/test_hung_ranks.py::test_nothing_is_left_of_a_run_with_a_stopped_rank",
    "tests/train/ranks/test_killed_ranks.py",
    "tests/train/ranks/test_other_gradients.py",
    "tests/train/ranks/test_ranks.py::test_a_cell_whose_rank_breaks_leaves_the_next_as_it_is",
    "tests/train/ranks/test_ranks.py::test_batchnorm_of_ranks_is_that_of_micro_batches_and_not_of_the_batch",
    "tests/train/ranks/test_ranks.py::test_ranks_end_with_the_process_that_started_them",
    "tests/train/ranks/test_ranks.py::test_ranks_with_different_configurations_stop_before_the_first_step",
    "tests/train/ranks/test_ranks.py::test_resuming_after_a_signal_changes_nothing",
    "tests/train/ranks/test_ranks.py::test_tasks_of_slurm_are_ranks_and_the_first_alone_speaks",
    "tests/train/record/test_wandb.py::test_a_diverged_run_is_marked",
    "tests/train/record/test_wandb.py::test_a_resumed_offline_run_is_whole_in_its_newest_folder",
    "tests/train/record/test_wandb.py::test_a_server_that_dies_in_the_middle_costs_a_warning",
    "tests/train/record/test_wandb.py::test_a_server_that_never_answers_costs_a_warning",
    "tests/train/record/test_wandb.py::test_history_is_metrics_csv",
    "tests/train/test_compiled.py::test_by_inductor_a_stopped_run_goes_on_bit_by_bit",
    "tests/train/test_cut_law.py",
    "tests/train/test_finetuning.py::test_ranks_equal_one_process",
    "tests/train/test_flipped_bits.py",
    "tests/train/test_full_disk.py",
    "tests/train/test_killed.py::test_checkpoints_take_no_more_room_than_three",
    "tests/train/test_killed.py::test_of_two_processes_one_trains",
    "tests/train/test_killed_workers.py",
    "tests/train/test_private.py::test_noise_reaches_the_weights_once_a_step",
    "tests/train/test_private.py::test_resuming_changes_nothing",
    "tests/train/test_private.py::test_the_account",
    "tests/train/test_refused.py::test_an_unreadable_image_is_told_by_every_command",
    "tests/train/test_resume.py::test_a_checkpoint_of_an_earlier_version_goes_on_to_the_last_bit",
    "tests/train/test_resume.py::test_tensors_of_a_checkpoint_without_checksum_are_checked",
    "tests/train/test_run.py::test_numbers_do_not_depend_on_how_often_they_are_logged",
    "tests/train/test_threads.py::test_it_is_set_before_torch_loads_its_threads",
)
"""Files and tests that are run only where all is asked for."""

SHORTENED: dict[str, int | tuple[str, ...]] = {
    "tests/cli/test_bad_input.py::test_a_run_of_another_schema_version": 1,
    "tests/cli/test_bad_input.py::test_no_permission": 1,
    "tests/cli/test_bad_input.py::test_one_line_and_exit_code_2": 6,
    "tests/cli/test_commands.py::test_a_full_disk_ends_in_a_run_that_can_go_on": 1,
    "tests/cli/test_commands.py::test_a_run_for_each_clip": 1,
    "tests/cli/test_commands.py::test_an_interrupted_run_goes_on_where_it_stopped": 1,
    "tests/cli/test_sized.py::test_a_size_is_planned_without_its_data_and_its_gpu": ("gpu",),
    "tests/clip/test_classifier.py::test_of_ours_it_is_the_one_that_runs_leave_alone": ("nfnet_f0", "resnet20"),
    "tests/data/test_tested_pixels.py::test_all_loaders_test_the_same_pixels": 6,
    "tests/nets/test_bn_nfnet.py::test_every_layer_is_the_twins": ("bn_nfnet_f0", "bn_nfnet_nano"),
    "tests/nets/test_deployment.py::test_export_gives_the_same_logits": ("nf_resnet20", "bn_nfnet_nano"),
    "tests/nets/test_deployment.py::test_onnxruntime_gives_the_same_logits": ("nf_resnet50",),
    "tests/nets/test_devices.py::test_a_step_and_an_evaluation": (
        "bn_nfnet_nano", "efficientnet_b0", "nf_regnet_b0", "nf_resnet20", "nfnet_f0", "resnet50_v1", "se_resnet50"
    ),
    "tests/nets/test_network_laws.py::test_torch_compile_sees_one_graph": ("nf_resnet20",),
    "tests/report/test_faults.py::test_a_single_fault_stops_one_run_or_is_one_line": 24,
    "tests/serve/test_video.py::test_odd_sizes": 1,
    "tests/serve/test_video.py::test_rotation_is_respected": 1,
    "tests/sweep/test_refused.py::test_a_sweep_is_refused_as_its_run_is": 1,
    "tests/sweep/test_stored.py::test_a_plan_cannot_lead_out_of_its_folder": 1,
    "tests/sweep/test_stored.py::test_hydras_features_are_refused": 4,
    "tests/test_extending.py::test_the_example_works": ("A clipper",),
    "tests/test_gpu_session.py::test_a_measurement": ("latency-nets-gpu.csv-4",),
    "tests/docs/test_pages.py::test_its_blocks_do_what_it_says": ("docs/guide/lightning.md", "docs/normalizers.md"),
    "tests/train/test_again.py::test_an_interrupted_one_goes_on": ("one",),
    "tests/train/ranks/test_cut.py::test_every_cut_of_a_batch_gives_the_same_weights": ("all of an nfnet",),
    "tests/train/ranks/test_cut.py::test_what_is_drawn_changes_the_weights": 2,
    "tests/train/callbacks/test_ema.py::test_training_is_the_same_with_and_without": 1,
    "tests/train/callbacks/test_ema.py::test_resuming_changes_nothing": 1,
    "tests/train/ranks/test_ranks.py::test_ranks_and_accumulation_equal_the_big_batch": ("agc", "muon"),
    "tests/train/test_clippers.py::test_a_stopped_run_goes_on_with_what_the_clipper_knew": 3,
    "tests/train/ranks/test_ranks.py::test_a_run_goes_on_with_its_batch_cut_otherwise": ("accumulated",),
    "tests/train/test_killed.py::test_a_damaged_newest_checkpoint_is_passed_over": 1,
    "tests/train/test_laws.py::test_accumulation_equals_the_big_batch_without_batchnorm": 3,
    "tests/train/test_laws.py::test_identical_runs_are_bit_identical": 4,
    "tests/train/test_laws.py::test_resuming_changes_nothing": 3,
    "tests/train/test_peak_memory.py::test_a_result_says_it": 1,
    "tests/train/test_resume.py::test_rows_that_no_checkpoint_can_do_without_are_said_to_be_lost": 2,
    "tests/train/test_options.py::test_one_step_on_digits": 8,
    "tests/train/test_options.py::test_one_step_on_parquet": 3,
    "tests/train/test_run.py::test_one_step_of_every_large_model": (
        "bn_nfnet_nano", "nf_regnet_b0", "nf_resnet50", "nfnet_f0", "resnet50_v1"
    ),
    "tests/bench/many/test_equal.py::test_fifty_steps_with_agc_end_with_the_same_weights": 1,
    "tests/bench/many/test_equal.py::test_fifty_steps_with_batchnorm_end_with_the_same_weights": 1,
    "tests/bench/test_loop.py::test_both_loops_end_with_the_same_weights": 2,
    "tests/bench/test_train.py::test_a_step_trains": 1,
    "tests/bench/test_train.py::test_all_read_the_same_pixels": 1,
    "tests/clip/test_backends.py::test_triton_kernel_against_the_released_code": 1,
    "tests/config/test_composed.py::test_it_is_what_hydra_composes": 3,
    "tests/data/test_ffcv.py::test_images_are_those_of_the_set_in_memory": 1,
    "tests/data/test_share.py::test_ranks_test_every_image_once": 2,
    "tests/data/test_share.py::test_ranks_train_on_the_very_batches_of_one_process": 2,
    "tests/evaluate/test_command.py::test_all_of_a_set_is_its_splits_one_after_another": 1,
    "tests/export/test_export.py::test_a_full_disk_is_one_line": 1,
    "tests/export/test_export.py::test_all_test_images_are_classified_as_by_the_run": 2,
    "tests/nets/normalizers/test_laws.py::test_it_is_exported": 4,
    "tests/nets/normalizers/test_laws.py::test_it_is_one_graph": 4,
    "tests/nets/test_network_cost.py::test_twins_share_every_convolution": 6,
    "tests/nets/test_network_laws.py::test_every_network_says_what_normalises_it": 10,
    "tests/nets/test_nf_regnet.py::test_flops_of_the_released_counter": 2,
    "tests/nets/test_sample_noise.py::test_an_image_is_the_same_in_every_cut_and_another_in_every_step": 2,
    "tests/nets/test_timm_dm_nfnet.py::test_f0_has_timms_logits": 1,
    "tests/nets/test_traffic.py::test_a_training_step_moves_fewer_bytes_than_timms": 1,
    "tests/serve/test_attacks.py::test_a_file": ("a bomb", "CMYK", "SVG"),
    "tests/slurm/test_refused.py::test_what_is_wrong_anywhere_is_not_submitted": 1,
    "tests/study/test_sizes_fit.py::test_every_run_is_shown_and_every_text_is_of_these_runs": 3,
    "tests/sweep/test_refused.py::test_a_plan_tells_what_is_lacking_and_ends_as_the_run_would": 1,
    "tests/sweep/trials/test_commands.py::test_one_line_tells_what_is_wrong": 2,
    "tests/test_compiled_for_gpus.py::test_it_fits_a_gpus_registers": 16,
    "tests/test_configs.py::test_every_option_composes_and_resolves": 40,
    "tests/test_warm.py::test_it_answers_alike": 2,
    "tests/test_warm.py::test_it_is_seen_and_ended_alike": 1,
    "tests/train/parts/test_frozen.py::test_every_network_has_the_stages_that_it_has": 8,
    "tests/train/ranks/test_gradient_dtype.py::test_the_mean_is_within_the_stated_bound": 1,
    "tests/train/test_attack.py::test_a_cut_changes_nothing": 1,
    "tests/train/test_attack.py::test_resuming_changes_nothing": 1,
    "tests/train/test_finetuning.py::test_accumulation_equals_the_big_batch": 1,
    "tests/train/test_finetuning.py::test_resuming_changes_nothing_and_needs_no_weights": 1,
    "tests/train/test_finetuning.py::test_what_is_frozen_stays_to_the_bit_and_all_else_moves": 2,
    "tests/train/test_refused.py::test_the_same_refusal_everywhere_and_no_directory": 3,
    "tests/train/test_run.py::test_one_step_of_a_peer": 1,
    "tests/train/test_waits.py::test_a_step_waits_for_nothing_unless_it_has_a_row": 3,
}  # fmt: skip
"""The cases of a test that are run where it is not asked for all: by their ids, or so many at equal distances, with the
first and the last."""


def tier_of(node: str, commands: bool = False) -> str | None:
    """The tier of a test; ``None`` for one that ``make check`` runs.

    Args:
        node: its id, ``tests/train/test_run.py::test_a[1]`` for instance.
        commands: it is marked as starting commands.
    """
    if node.startswith(QUICK):
        return "process" if commands else None
    found = max((place for place in PLACES if node.startswith(place)), key=len, default=None)
    return PLACES[found] if found else "process" if commands else None


def left_out(nodes: Iterable[str]) -> set[str]:
    """Of these tests, those and the cases of those that are run only where all is asked for."""
    cases = defaultdict[str, list[str]](list)
    out = set[str]()
    for node in nodes:
        if node.startswith(LEFT_OUT):
            out.add(node)
        if (test := node.partition("[")[0]) in SHORTENED:
            cases[test].append(node)
    return out | {node for test, every in cases.items() for node in set(every) - set(_kept(test, every))}


def _kept(test: str, every: Sequence[str]) -> list[str]:
    kept = SHORTENED[test]
    return (
        spread(every, kept) if isinstance(kept, int) else [node for node in every if node[len(test) + 1 : -1] in kept]
    )


def spread(cases: Sequence[T], count: int) -> list[T]:
    """`count` of the cases at equal distances, with the first and, of two or more, the last."""
    if count >= len(cases):
        return list(cases)
    return [cases[round(i * (len(cases) - 1) / max(1, count - 1))] for i in range(count)]


def times(full: int, short: int) -> int:
    """How often a loop of a test goes round: ``full`` where all is asked for."""
    return full if LONG else short
