#!/usr/bin/env bash
# Sets everything up and does the main job on a clip that it makes itself: frames and a first mask in, masks of all frames out.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
output="$project/demo_output"
export HODOR_WORKSPACE_DIR="$output/workspace"
mkdir -p "$HODOR_WORKSPACE_DIR"

echo "1. A synthetic clip with exact masks, in the layout of DAVIS"
python -m hodor.data.synthetic "$output/clips" --clips 1 --frames 20 --height 128 --width 224 --objects 3 --seed 7
echo "2. Its first mask becomes what is given"
python -m hodor.data.convert davis "$output/clips" --name demo
echo "3. A network with seeded random weights (trained ones are not part of the project yet)"
checkpoint="$HODOR_WORKSPACE_DIR/checkpoints/random/000000.pth"
python scripts/random_checkpoint.py configs/static.yaml "$checkpoint" --seed 0
echo "4. The objects are followed through the clip"
results="$HODOR_WORKSPACE_DIR/checkpoints/random/demo_inference"
python hodor/inference/main.py "$checkpoint" --dataset demo --min_image_dim 128 --save_vis
echo "5. The masks are judged against the true ones"
python hodor/evaluation/main.py "$results/results" --ground_truth "$output/clips/Annotations/480p" \
    --images "$output/clips/JPEGImages/480p" --output_dir "$output/evaluation"
echo
echo "The weights are random, so the masks and scores above mean nothing: they show that the whole chain works."
echo "masks:    $results/results"
echo "overlays: $results/vis"
echo "report:   $output/evaluation/report.html"
