"""The data sets of the paper, which their makers give to people, not to programs: where, and what makes each known."""

from typing import NamedTuple

from hodor.workspace import Workspace

_DAVIS = "https://davischallenge.org/davis2017/code.html"
_YOUTUBE_VOS = "https://youtube-vos.org/dataset/vos/"
_COCO = "https://cocodataset.org/#download"


class ByHand(NamedTuple):
    """A data set to download by hand.

    Attributes:
        name: what programs call it.
        what: the files to download.
        page: where.
        command: makes it known once it is unpacked in the user's folder; `~` stands for wherever that is.
    """

    name: str
    what: str
    page: str
    command: str


_TEXTS = {
    "davis_val": ("DAVIS 2017 TrainVal, 480p", _DAVIS, "davis ~/DAVIS --split val"),
    "davis_testdev": ("DAVIS 2017 Test-Dev, 480p", _DAVIS, "davis ~/DAVIS-test-dev --split test-dev"),
    "youtube_vos_val": ("YouTube-VOS 2019, valid", _YOUTUBE_VOS, "youtube_vos ~/youtube_vos_2019/valid"),
    "coco_2017_train": (
        "COCO 2017 train images and annotations",
        _COCO,
        "coco ~/coco/train2017 ~/coco/annotations/instances_train2017.json",
    ),
    "davis_train": ("DAVIS 2017 TrainVal, 480p", _DAVIS, "davis_training ~/DAVIS --split train"),
    "youtube_vos_2019_train": ("YouTube-VOS 2019, train", _YOUTUBE_VOS, "youtube_vos_training ~/youtube_vos_2019/train"),
}
BY_HAND = [ByHand(name, what, page, f"hodor convert {command}") for name, (what, page, command) in _TEXTS.items()]


def lacking_images(workspace: Workspace) -> list[ByHand]:
    """The data sets of the paper whose images or JSON are not in a workspace."""
    return [
        each for each in BY_HAND if not workspace.images(each.name).is_dir() or not workspace.annotations(each.name).is_file()
    ]
