"""$HODOR_WORKSPACE_DIR, or ~/.local/share/hodor: the folder below which data, pretrained backbones and checkpoints lie.

dataset_images/<images>/<sequence>/<frame>.jpg      dataset_json_annotations/<annotations>.json
pretrained_backbones/swin_tiny_pretrained.pth       checkpoints/<training>/{config.yaml, NNNNNN.pth, logs/}
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from hodor.errors import HodorError

VARIABLE = "HODOR_WORKSPACE_DIR"
_LOGGER = logging.getLogger(__name__)

INFERENCE_DATASETS = ("davis_val", "davis_testdev", "youtube_vos_val")
TRAINING_DATASETS = ("coco_2017_train", "davis_train", "youtube_vos_2019_train")
# Where images and annotations aren't called like their data set:
_IMAGES = {"davis_val": "davis_trainval", "davis_train": "davis_trainval", "youtube_vos_val": "youtube_vos_2019_val"}
_ANNOTATIONS = {"youtube_vos_val": "youtube_vos_2019_val"}


@dataclass(frozen=True)
class Workspace:
    """Every path of a workspace, the folder `root`; none of them needs to exist."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Workspace":
        """The workspace that $HODOR_WORKSPACE_DIR names; without it one among the user's data, which is made and said.

        Raises:
            HodorError: the variable names no folder.
        """
        workspace = cls.expected()
        root = workspace.root
        if not os.environ.get(VARIABLE):
            root.mkdir(parents=True, exist_ok=True)
            _LOGGER.info("$%s is not set: data and checkpoints lie in %s", VARIABLE, root)
        if not root.is_dir():
            raise HodorError(f"${VARIABLE}: {root} is no folder; make it: mkdir -p {root}")
        return workspace

    @classmethod
    def expected(cls) -> "Workspace":
        """The workspace that `from_environment` would take; it need not exist, and is not made."""
        data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return cls(Path(os.environ.get(VARIABLE) or f"{data}/hodor").expanduser())

    def images(self, dataset: str) -> Path:
        """The folder of a data set's images."""
        return self.root / "dataset_images" / _IMAGES.get(dataset, dataset)

    def annotations(self, dataset: str) -> Path:
        """The JSON of a data set."""
        return self.root / "dataset_json_annotations" / f"{_ANNOTATIONS.get(dataset, dataset)}.json"

    @property
    def pretrained_backbones(self) -> Path:
        return self.root / "pretrained_backbones"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"


def checkpoints_folder() -> Path:
    """Where checkpoints lie that a program is given by name, for programs that need no workspace; it need not exist."""
    return Workspace.expected().checkpoints
