"""Judging a network on videos while it is trained."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hodor.config import Config
from hodor.errors import HodorError
from hodor.evaluation.masks import read_sequences
from hodor.evaluation.pairs import SequencePair
from hodor.evaluation.protocols import davis
from hodor.evaluation.summary import Summary
from hodor.formats.inference_json import read_inference_json
from hodor.inference.results import ResultsFolder
from hodor.inference.segmenter import Segmenter
from hodor.inference.sequences import segment_sequence
from hodor.inference.settings import recommended_options
from hodor.modelling.model import HODOR
from hodor.workspace import Workspace


def build_validation(config: Config, workspace: Workspace) -> Callable[[HODOR], float] | None:
    """A function that gives the J&F (0..1, DAVIS protocol) of a network on the configured videos; None where there are none.

    Raises:
        HodorError: the videos or their true masks are missing.
    """
    validation = config.training.validation
    if not validation.dataset:
        return None
    sequences = read_inference_json(workspace.annotations(validation.dataset))
    truth = read_sequences(workspace.root / validation.ground_truth)
    missing = [sequence.id for sequence in sequences if sequence.id not in truth]
    if missing:
        raise HodorError(f"TRAINING.VALIDATION.GROUND_TRUTH: {workspace.root / validation.ground_truth} lacks {missing[0]!r}")
    settings = recommended_options(config, validation.min_dim or None)

    def validate(model: HODOR) -> float:
        """Segments all videos with the network and gives their J&F."""
        segmenter = Segmenter(model, device=model.device, **settings)
        with tempfile.TemporaryDirectory() as folder:
            results = ResultsFolder(Path(folder))
            for sequence in sequences:
                with results.writing(sequence, {}) as write:
                    segment_sequence(segmenter, sequence, workspace.images(validation.dataset), write)
            found = read_sequences(results.masks)
            objects = [
                scores for sequence in sequences for scores in davis(SequencePair(found[sequence.id], truth[sequence.id]))
            ]
        return Summary(objects).score.overall

    return validate
