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


@dataclass(frozen=True)
class DatasetName:
    """Where a data set lies in a workspace: names of its folder of images and of its JSON."""

    images: str
    annotations: str


INFERENCE_DATASETS = {
    "davis_val": DatasetName("davis_trainval", "davis_val"),
    "davis_testdev": DatasetName("davis_testdev", "davis_testdev"),
    "youtube_vos_val": DatasetName("youtube_vos_2019_val", "youtube_vos_2019_val"),
}


TRAINING_DATASETS = {
    "coco_2017_train": DatasetName("coco_2017_train", "coco_2017_train"),
    "davis_train": DatasetName("davis_trainval", "davis_train"),
    "youtube_vos_2019_train": DatasetName("youtube_vos_2019_train", "youtube_vos_2019_train"),
}


def inference_dataset(name: str) -> DatasetName:
    """The places of a data set of videos to segment; one that is not a benchmark uses its own name for both."""
    return INFERENCE_DATASETS.get(name, DatasetName(name, name))


def training_dataset(name: str) -> DatasetName:
    """The places of a data set to train on; one that isn't of the paper's uses its own name for both."""
    return TRAINING_DATASETS.get(name, DatasetName(name, name))


@dataclass(frozen=True)
class Workspace:
    """Every path of a workspace.

    Attributes:
        root: the folder itself.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> "Workspace":
        """The workspace that $HODOR_WORKSPACE_DIR names; without it one among the user's data, which is made and said.

        Raises:
            HodorError: the variable names no folder.
        """
        value = os.environ.get(VARIABLE, "")
        if not value:
            root = _default_root()
            root.mkdir(parents=True, exist_ok=True)
            _LOGGER.info("$%s is not set: data and checkpoints lie in %s", VARIABLE, root)
            return cls(root)
        root = Path(value).expanduser()
        if not root.is_dir():
            raise HodorError(f"${VARIABLE}: {root} is no folder; make it: mkdir -p {root}")
        return cls(root)

    @classmethod
    def expected(cls) -> "Workspace":
        """The workspace that `from_environment` would take; it need not exist, and is not made."""
        value = os.environ.get(VARIABLE, "")
        return cls(Path(value).expanduser() if value else _default_root())

    def images(self, dataset: DatasetName) -> Path:
        """The folder of a data set's images; it need not exist."""
        return self.root / "dataset_images" / dataset.images

    def annotations(self, dataset: DatasetName) -> Path:
        """The JSON of a data set; it need not exist."""
        return self.root / "dataset_json_annotations" / f"{dataset.annotations}.json"

    @property
    def pretrained_backbones(self) -> Path:
        return self.root / "pretrained_backbones"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"


def checkpoints_folder() -> Path:
    """Where checkpoints lie that a program is given by name, for programs that need no workspace; it need not exist."""
    return Workspace.expected().checkpoints


def _default_root() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "hodor"
