#!/usr/bin/env bash
# Trains the weights that come with the package, from nothing and on static images only; goes on where it was interrupted.
#
#   HODOR_WORKSPACE_DIR=... bash scripts/train_compact.sh DUTS_TR COCO
#
# DUTS_TR holds images/ and masks/ (or DUTS-TR-Image/ and DUTS-TR-Mask/), COCO holds images/ and instances.json.
# PROCESSES is the number of processes, each with one thread or one GPU (default: 2); PRECISION is bf16 or float32 (default: bf16).
set -euo pipefail
duts="$(cd "$1" && pwd)"; coco="$(cd "$2" && pwd)"
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
export OMP_NUM_THREADS=1
checkpoints="$HODOR_WORKSPACE_DIR/checkpoints"
annotations="$HODOR_WORKSPACE_DIR/dataset_json_annotations"

[ -d "$duts/images" ] && images=images masks=masks || { images=DUTS-TR-Image; masks=DUTS-TR-Mask; }
[ -f "$annotations/duts_tr.json" ] || hodor convert images "$duts/$images" "$duts/$masks" --name duts_tr
[ -f "$annotations/coco.json" ] || hodor convert coco "$coco/images" "$coco/instances.json" --name coco
toys="$HODOR_WORKSPACE_DIR/toys"
[ -d "$toys" ] || hodor synthetic "$toys" --clips 1500 --frames 1 --height 144 --width 256 --objects 3 --seed 100000
[ -f "$annotations/toys.json" ] || hodor convert images "$toys/JPEGImages/480p" "$toys/Annotations/480p" --name toys

# phase NAME ITERATIONS OPTIONS...: trains to the end, from the latest checkpoint of this phase if there is one
phase() {
    name="$1"; last="$2"; shift 2
    [ -f "$checkpoints/$name/$(printf %06d "$last").pth" ] && return
    latest="$(ls "$checkpoints/$name"/[0-9]*.pth 2>/dev/null | tail -n 1 || true)"
    if [ -n "$latest" ]; then start=(--restore_session "$latest"); else start=(--cfg configs/compact.yaml --model_dir "$name" "$@"); fi
    python -m torch.distributed.run --standalone --nproc_per_node="${PROCESSES:-2}" hodor/training/main.py --allow_multigpu \
        --max_samples_per_gpu 4 --num_cpu_workers 0 --precision "${PRECISION:-bf16}" --save_interval 200 --display_interval 25 \
        "${start[@]}"
}

phase compact_small 1800 --cfg.DATA.DATASETS '{duts_tr: 0.85, coco: 0.15}' --cfg.TRAINING.AUGMENTATIONS.STATIC.PASTED_OBJECTS 2 \
    --cfg.INPUT.MAX_IMAGE_AREA 15360 --cfg.TRAINING.MIN_REF_MASK_AREA 400 \
    --cfg.TRAINING.TOTAL_ITERATIONS 1800 --cfg.TRAINING.LR_SCHEDULERS.STEP.STEPS '[1200, 1600]'
phase compact_large 800 --restore_path "$checkpoints/compact_small/001800.pth" \
    --cfg.DATA.DATASETS '{duts_tr: 0.7, coco: 0.15, toys: 0.15}' --cfg.TRAINING.AUGMENTATIONS.STATIC.PASTED_OBJECTS 2 \
    --cfg.TRAINING.MIN_REF_MASK_AREA 400 --cfg.TRAINING.BASE_LR 3.0e-4 \
    --cfg.TRAINING.TOTAL_ITERATIONS 800 --cfg.TRAINING.LR_SCHEDULERS.STEP.STEPS '[450, 650]'
rm -f "$checkpoints/compact.safetensors"
python scripts/convert_checkpoint.py --half "$checkpoints/compact_large/000800.pth" "$checkpoints/compact.safetensors"
