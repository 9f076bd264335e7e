#!/usr/bin/env bash
# Sets everything up and does the main job on a clip that it makes itself: frames and a first mask in, masks and a video of them out.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
output="$project/demo_output"
export HODOR_WORKSPACE_DIR="$output/workspace"
mkdir -p "$HODOR_WORKSPACE_DIR"

echo "1. A synthetic clip with exact masks, in the layout of DAVIS"
rm -rf "$output/clips"
hodor synthetic "$output/clips" --clips 1 --frames 24 --height 160 --width 288 --objects 3 --seed 4
echo "2. Its first mask becomes what is given"
hodor convert davis "$output/clips" --name demo
echo "3. The objects are followed through the clip, by the weights that come with the package"
python hodor/inference/main.py --dataset demo --permanent_reference --save_vis
results="$HODOR_WORKSPACE_DIR/checkpoints/compact/demo_inference"
echo "4. The masks are judged against the true ones"
python hodor/evaluation/main.py "$results/results" --ground_truth "$output/clips/Annotations/480p" \
    --images "$output/clips/JPEGImages/480p" --output_dir "$output/evaluation"
echo
echo "masks:  $results/results"
echo "video:  $results/vis/$(ls "$results/results" | head -n 1).mp4"
echo "report: $output/evaluation/report.html (its total J&F stands in the line 'all' above)"
