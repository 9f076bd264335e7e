"""What TensorBoard shows of a training: curves, and pictures of clips with truth and prediction."""

import math
from pathlib import Path

import numpy as np
import torch
from tensorboardX import SummaryWriter

from hodor.data.loader import TrainingBatch
from hodor.formats.palettes import davis_palette
from hodor.media.overlay import overlay
from hodor.modelling.soft_masks import resize
from hodor.training.meter import Reading
from hodor.training.objective import Outcome


class Summaries:
    """Writes scalars and pictures into a folder that TensorBoard reads; another run goes on with the same curves."""

    def __init__(self, folder: Path, begin: int = 0) -> None:
        """
        Args:
            folder: to write to.
            begin: the iteration that this run goes on from; what a run that was killed wrote of later ones isn't shown.
        """
        self._writer = SummaryWriter(str(folder), purge_step=begin + 1)

    def scalars(self, iteration: int, reading: Reading, rate: float, device: torch.device) -> None:
        """Adds a point to every curve."""
        values = {
            "loss/total": reading.loss,
            "loss/dice": reading.dice,
            "loss/cross_entropy": reading.cross_entropy,
            "iou": reading.iou,
            "learning_rate": rate,
            "time/seconds_per_iteration": reading.seconds,
            "time/waiting_for_data": reading.waiting,
        }
        if device.type == "cuda":
            values["memory/peak_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
        for name, value in values.items():
            if math.isnan(value):  # no micro-batch had an object, or fitted into memory
                continue
            self._writer.add_scalar(name, value, iteration)

    def score(self, iteration: int, score: float) -> None:
        """Adds the J&F of a validation."""
        self._writer.add_scalar("validation/J_and_F", score, iteration)

    def pictures(self, iteration: int, batch: TrainingBatch, outcome: Outcome) -> None:
        """Shows the first clip of a micro-batch: one column per prediction, truth above, prediction below."""
        self._writer.add_image("clip/truth_and_prediction", contact_sheet(batch, outcome), iteration, dataformats="HWC")

    def close(self) -> None:
        """Writes what is still waiting."""
        self._writer.close()


def contact_sheet(batch: TrainingBatch, outcome: Outcome) -> np.ndarray:
    """The first clip of a micro-batch as a picture [2 H, N W, 3] uint8: the truth of the N predictions, and below it these."""
    palette = davis_palette()
    columns = []
    for target, logits, truth in zip(outcome.targets, outcome.predictions, outcome.truth, strict=True):
        frame = batch.images[0, target].permute(1, 2, 0).clamp(0, 255).byte().cpu().numpy()
        size = (truth.shape[1], truth.shape[2])
        found = resize(logits[:1].detach().float(), size)[0].argmax(dim=0)
        masks = [labels.byte().cpu().numpy() for labels in (truth[0], found)]
        columns.append(np.concatenate([overlay(frame, mask, palette) for mask in masks]))
    return np.concatenate(columns, axis=1)
