"""Do the paper's orderings hold at a small scale? Short trainings of variants, several seeds each, judged on real videos.

    python benchmarks/orderings.py --davis ~/DAVIS --folder orderings

Needs the workspace that `scripts/train_compact.sh` made (data sets duts_tr and coco). Half of the sequences is for training
with videos, the other half judges everything. What is done already is kept: run it again to go on. Writes orderings.json,
orderings.md and orderings.png into the folder.
"""

import itertools
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from baselines import ROOT, judge, program
from orderings_report import Scores, write_report

from hodor.checkpoints.checkpoint import fingerprint
from hodor.checkpoints.weights import locate_existing
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.program import ArgumentParser, run

CONFIG = ROOT / "configs/compact.yaml"
LEARNED, JUDGED = "learned_half", "judged_half"  # names of splits and data sets
COMMON = {
    "BATCH_SIZE": 4,
    "MIN_REF_MASK_AREA": 400,
    "NUM_OTHER_FRAMES": 1,
    "CYCLES": '[["[0]->1; [1]->0"], ["[0]->1; [0,1]->0"]]',
    "WEIGHT_AVERAGE": 0,
}


@dataclass(frozen=True)
class Training:
    """A kind of training.

    Attributes:
        name: of its folder.
        iterations: how many.
        overrides: keys of the configuration and their values.
        whole_network: whether it starts from the weights of the package, else from those of a backbone for ImageNet.
    """

    name: str
    iterations: int
    overrides: tuple[tuple[str, str], ...]
    whole_network: bool = False


@dataclass(frozen=True)
class Variant:
    """A line of a table: a training and the options it is judged with."""

    study: str
    name: str
    training: Training
    inference: tuple[object, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; see `--help`."""
    parser = ArgumentParser(description="Compares variants of the network, of its memory and of its training on real videos.")
    parser.add_argument("--davis", type=Path, required=True, help="folder with JPEGImages/ and Annotations/")
    parser.add_argument("--resolution", default="480p", help="the folder below them (default: 480p)")
    parser.add_argument("--folder", type=Path, required=True, help="where results go; what is in it is not done again")
    parser.add_argument("--iterations", type=int, default=600, help="of each training of a variant (default: 600)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each variant (default: 3)")
    parser.add_argument("--processes", type=int, default=2, help="trainings at the same time, a thread each (default: 2)")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    truth = options.davis.resolve() / "Annotations" / options.resolution
    compared = variants(options.iterations)
    check_conditions(folder, truth, compared)
    split_in_halves(options.davis.resolve(), options.resolution, folder)
    trainings = dict.fromkeys(variant.training for variant in compared)
    with ThreadPoolExecutor(options.processes) as pool:
        jobs = [
            pool.submit(train_and_score, training, seed, compared, folder, truth)
            for seed in range(options.seeds)
            for training in trainings
        ]
        try:
            found = [job.result() for job in jobs]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    scores: Scores = {}
    for variant in compared:
        scores.setdefault(variant.study, {})[variant.name] = [each[variant] for each in found if variant in each]
    write_report(folder, scores)
    print((folder / "orderings.md").read_text())
    return 0


def check_conditions(folder: Path, truth: Path, compared: Sequence[Variant]) -> None:
    """Notes what all results in a folder depend on.

    Raises:
        HodorError: the folder holds results of something else.
    """
    conditions = {
        "truth": str(truth),
        "weights": fingerprint(locate_existing("compact")),
        "configuration": fingerprint(CONFIG),
        "variants": repr(compared),
    }
    noted = folder / "conditions.json"
    if noted.is_file() and (before := json.loads(noted.read_text())) != conditions:
        changed = ", ".join(key for key, value in conditions.items() if before.get(key) != value)
        raise HodorError(f"{folder}: holds results of other conditions ({changed}); choose another --folder")
    with written_aside(noted) as aside:
        aside.write_text(json.dumps(conditions, indent=1))


def variants(iterations: int) -> list[Variant]:
    """Everything that is compared. Trainings that several studies need are the same."""
    usual = _from_backbone("usual", iterations)
    masking = {kind: _from_backbone(kind, iterations, ATTENTION_MASKING=kind) for kind in ("soft_fixed", "hard", "none")}
    background = {count: _from_backbone(f"background_{count}", iterations, NUM_BG_DESCRIPTORS=count) for count in (1, 4)}
    window = "--temporal_window"
    memory = {"1 frame": (window, 1), "3 frames": (window, 3), "7 frames": (), "7 and the first": ("--permanent_reference",)}
    supervision = {
        "static images": _from_weights("static", iterations),
        "+ cyclic, one annotated frame": _from_weights("cyclic", iterations, _video("sparse_video")),
        "+ dense": _from_weights("dense", iterations, _video("dense_video")),
    }
    return [
        Variant("masking", "soft, learnable", usual),
        *(Variant("masking", name.replace("_", ", "), training) for name, training in masking.items()),
        *(Variant("background descriptors", str(count), training) for count, training in background.items()),
        Variant("background descriptors", "9", usual),
        *(Variant("temporal window", name, usual, options) for name, options in memory.items()),
        *(Variant("supervision", name, training) for name, training in supervision.items()),
    ]


def _from_backbone(name: str, iterations: int, **model: object) -> Training:
    """All but the backbone from a random start, on single photographs."""
    keys = {f"MODEL.{key}": str(value) for key, value in model.items()}
    return Training(name, iterations, tuple((_photographs(15360) | _schedule(iterations, 5e-4) | keys).items()))


def _from_weights(name: str, iterations: int, keys: dict[str, str] | None = None) -> Training:
    """All weights of the package, trained further."""
    settings = (keys or _photographs(28672)) | _schedule(iterations, 1e-4)
    return Training(name, iterations, tuple(settings.items()), whole_network=True)


def _photographs(area: int) -> dict[str, str]:
    return {"DATA.DATASETS": "{duts_tr: 0.8, coco: 0.2}", "INPUT.MAX_IMAGE_AREA": str(area)}


def _video(mode: str) -> dict[str, str]:
    annotated = str(mode == "dense_video").lower()
    return {
        "DATA.DATASETS": f"{{{LEARNED}: 1.0}}",
        "INPUT.MIN_DIM": "128",
        "INPUT.MAX_DIM": "256",
        "TRAINING.MODE": mode,
        "TRAINING.MAX_CLIP_DELTA": "8",
        "TRAINING.INTERMEDIATE_FRAME_GT_AVAILABLE": annotated,
        "TRAINING.APPLY_LOSS_ON_INTERMEDIATE_FRAMES": annotated,
    }


def _schedule(iterations: int, rate: float) -> dict[str, str]:
    steps = f"[{iterations * 7 // 10}, {iterations * 9 // 10}]"
    return {f"TRAINING.{key}": str(value) for key, value in COMMON.items()} | {
        "INFERENCE.PERMANENT_REFERENCE": "false",
        "INFERENCE.LONG_TERM_INTERVAL": "0",
        "INFERENCE.GUIDED_EDGES": "false",
        "TRAINING.TOTAL_ITERATIONS": str(iterations),
        "TRAINING.BASE_LR": str(rate),
        "TRAINING.LR_SCHEDULERS.STEP.STEPS": steps,
        "TRAINING.LR_SCHEDULERS.STEP.WARMUP_ITERS": str(iterations // 10),
    }


def split_in_halves(davis: Path, resolution: str, folder: Path) -> None:
    """Makes two data sets, of every other sequence: one to learn from, one to judge with."""
    tree = folder / "davis"
    (tree / "ImageSets/2016").mkdir(parents=True, exist_ok=True)
    for name in ("JPEGImages", "Annotations"):
        if not (tree / name).exists():
            (tree / name).symlink_to(davis / name)
    names = sorted(path.name for path in (davis / "Annotations" / resolution).iterdir())
    for split, chosen in ((LEARNED, names[::2]), (JUDGED, names[1::2])):
        (tree / f"ImageSets/2016/{split}.txt").write_text("".join(f"{name}\n" for name in chosen))
    for kind, split in (("davis_training", LEARNED), ("davis", JUDGED)):
        where = ["--year", 2016, "--resolution", resolution, "--split", split, "--name", split]
        program("-m", "hodor.convert", kind, tree, *where)


def train_and_score(
    training: Training, seed: int, compared: Sequence[Variant], folder: Path, truth: Path
) -> dict[Variant, float]:
    """Everything that comes of one training: J&F of each variant that needs it."""
    checkpoint = train(training, seed, folder)
    return {variant: score(variant, seed, checkpoint, truth) for variant in compared if variant.training == training}


def train(training: Training, seed: int, folder: Path) -> Path:
    """Trains, if that wasn't done before, or goes on.

    Returns:
        The last checkpoint.
    """
    own = folder / f"trainings/{training.name}_{seed}"
    last = own / f"{training.iterations:06d}.pth"
    if last.is_file():
        return last
    written = sorted(own.glob("[0-9]*.pth"))
    begin = ["--restore_session", written[-1]] if written else ["--restore_path", "compact"] * training.whole_network
    if not written:
        begin += ["--cfg", CONFIG, "--model_dir", own, "--cfg.TRAINING.SEED", seed]
        begin += itertools.chain.from_iterable((f"--cfg.{key}", value) for key, value in training.overrides)
    settings = ["--max_samples_per_gpu", 4, "--num_cpu_workers", 0, "--precision", "bf16", "--save_interval", 100]
    program(ROOT / "hodor/training/main.py", *settings, "--display_interval", 50, *begin)
    return last


def score(variant: Variant, seed: int, checkpoint: Path, truth: Path) -> float:
    """J&F of a trained variant in 0..1, the mean over the sequences of the judging half."""
    options = "_".join(str(option).strip("-") for option in variant.inference) or "usual"
    folder = checkpoint.parent / f"judged_{options}"
    kept = folder / "score.json"
    if not kept.is_file():
        inference = ["--dataset", JUDGED, "--min_image_dim", 128, "--precision", "bf16", "--output_dir", folder]
        program(ROOT / "hodor/inference/main.py", checkpoint, *inference, *variant.inference)
        value = judge(folder / "results", truth)["J&F"]
        with written_aside(kept) as aside:
            aside.write_text(json.dumps(value))
    value = json.loads(kept.read_text())
    print(f"{variant.study}: {variant.name}, seed {seed}: J&F {100 * value:.1f}", flush=True)
    return float(value)


if __name__ == "__main__":
    run(main)
