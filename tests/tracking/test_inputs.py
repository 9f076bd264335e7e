"""What a run was told, as its folder keeps it."""

import numpy as np

from hodor.formats.object_files import DescribedObject
from hodor.tracking.inputs import inputs_of
from hodor.tracking.options import parser


def test_an_option_of_several_values_may_be_said_several_times():
    options = parser().parse_args(
        ["v.mp4", "--box", "0,0,9,9", "2=0,0,9,9", "--names", "1=a", "--box", "5,5,9,9", "--names", "2=b"]
    )
    assert options.box == ["0,0,9,9", "2=0,0,9,9", "5,5,9,9"] and options.names == ["1=a", "2=b"]
    assert parser().parse_args(["v.mp4", "--format", "coco", "--format", "binary"]).format == ["coco", "binary"]
    assert parser().parse_args(["v.mp4", "--format"]).format == []
    untold = parser().parse_args(["v.mp4"])
    assert (untold.box, untold.format) == ([], ["video"])


def test_a_source_may_begin_with_a_dash_and_a_file_of_an_object_be_a_number(tmp_path, monkeypatch):
    mug = DescribedObject("mug", "", np.zeros((1, 4)), np.zeros((1, 9, 4)))
    monkeypatch.chdir(tmp_path)
    options = parser().parse_args(["--objects", "5", "7=mug.hodor", "--start", "2", "--", "-clip.mp4"])
    told = inputs_of(options, {1: mug, 7: mug})
    assert told["source"] == str(tmp_path / "-clip.mp4")
    assert told["options"] == {"start": 2, "objects": [f"1={tmp_path / '5'}", f"7={tmp_path / 'mug.hodor'}"]}
