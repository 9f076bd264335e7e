"""The data sets of the paper, which their makers give to people, not to programs: where, and what makes each known."""

from typing import NamedTuple

_DAVIS = "https://davischallenge.org/davis2017/code.html"
_YOUTUBE_VOS = "https://youtube-vos.org/dataset/vos/"
_COCO = "https://cocodataset.org/#download"
_COCO_FILES = "~/coco/train2017 ~/coco/annotations/instances_train2017.json"


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


_TRAINVAL = "DAVIS 2017 TrainVal, 480p"
BY_HAND = [
    ByHand("davis_val", _TRAINVAL, _DAVIS, "hodor convert davis ~/DAVIS --split val"),
    ByHand("davis_testdev", "DAVIS 2017 Test-Dev, 480p", _DAVIS, "hodor convert davis ~/DAVIS-test-dev --split test-dev"),
    ByHand("youtube_vos_val", "YouTube-VOS 2019, valid", _YOUTUBE_VOS, "hodor convert youtube_vos ~/youtube_vos_2019/valid"),
    ByHand("coco_2017_train", "COCO 2017 train images and annotations", _COCO, f"hodor convert coco {_COCO_FILES}"),
    ByHand("davis_train", _TRAINVAL, _DAVIS, "hodor convert davis_training ~/DAVIS --split train"),
    ByHand(
        "youtube_vos_2019_train",
        "YouTube-VOS 2019, train",
        _YOUTUBE_VOS,
        "hodor convert youtube_vos_training ~/youtube_vos_2019/train",
    ),
]
