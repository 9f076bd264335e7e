#!/usr/bin/env bash
# Sets everything up and does the main job on a clip made of photographs: frames and a first mask in, masks and a video of them out.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
output="$project/demo_output"
export HODOR_WORKSPACE_DIR="$output/workspace"
rm -rf "$output/clips" "$output/baselines" "$HODOR_WORKSPACE_DIR"
mkdir -p "$HODOR_WORKSPACE_DIR"

echo "1. A clip in which photographs of things move before another photograph, with exact masks, in the layout of DAVIS"
hodor synthetic "$output/clips" --photographs
echo "2. Its first mask becomes what is given"
hodor convert davis "$output/clips" --name demo
echo "3. The objects are followed through the clip, by the weights that come with the package"
python hodor/inference/main.py --dataset demo --save_vis
results="$HODOR_WORKSPACE_DIR/checkpoints/compact/demo_inference"
echo "4. The masks are judged against the true ones"
python hodor/evaluation/main.py "$results/results" --ground_truth "$output/clips/Annotations/480p" \
    --images "$output/clips/JPEGImages/480p" --output_dir "$output/evaluation"
echo "5. What could be had without a network (1: the cup, 2: the cat, 3: the shuttle)"
python benchmarks/beside_baselines.py "$output/evaluation/scores.json" --dataset demo \
    --ground_truth "$output/clips/Annotations/480p" --folder "$output/baselines"
echo
echo "masks:  $results/results"
echo "video:  $results/vis/$(ls "$results/results" | head -n 1).mp4"
echo "report: $output/evaluation/report.html (its total J&F stands in the line 'all' above)"
