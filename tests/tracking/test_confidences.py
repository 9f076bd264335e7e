"""Confidences as a table, as a picture and as warnings."""

import csv
import xml.etree.ElementTree

import pytest

from hodor.errors import HodorError
from hodor.tracking.confidences import Row, Watch, draw_confidences, read_table, write_table


def test_a_table_comes_back_as_it_was_written(tmp_path):
    rows = [Row(3, "00003", 0.125, 1, 0.913, 400), Row(3, "00003", 0.125, 2, 0.0, 0), Row(4, "=SUM(A1)", 0.25, 1, 1.0, 12)]
    write_table(tmp_path / "confidences.csv", rows)
    assert read_table(tmp_path / "confidences.csv") == rows
    with (tmp_path / "confidences.csv").open(newline="") as file:
        names = [line["name"] for line in csv.DictReader(file)]
    assert not any(name.startswith("=") for name in names)
    assert read_table(tmp_path / "none.csv") == []


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "frame,name,time,object,confidence,area\n1,2,3\n"])
def test_another_file_in_its_place_is_refused(tmp_path, content):
    (tmp_path / "confidences.csv").write_text(content)
    with pytest.raises(HodorError, match=r"confidences\.csv: is not the table"):
        read_table(tmp_path / "confidences.csv")


def test_an_object_is_lost_once_until_it_is_found_again():
    watch = Watch({2: "cup"})
    said = []
    for frame, confidence in enumerate([1.0, 0.9, 0.4, 0.3, 0.8, 0.0]):
        area = 0 if confidence == 0 else 10
        said.append(
            watch.lost([Row(frame, f"{frame:05d}", 0.0, 1, 0.9, 10), Row(frame, f"{frame:05d}", 0.0, 2, confidence, area)])
        )
    assert said[0] == said[1] == said[3] == said[4] == []
    assert said[2] == ["object 2 (cup) is lost in frame 00002: confidence 0.40"]
    assert said[5] == ["object 2 (cup) is lost in frame 00005: nothing of it is seen"]


def test_many_that_are_lost_in_one_frame_are_one_line():
    watch = Watch({})
    ids = range(1, 6)
    assert watch.lost([Row(0, "00000", 0.0, each, 1.0, 10) for each in ids]) == []
    assert watch.lost([Row(1, "00001", 0.0, each, 0.1, 10) for each in ids]) == [
        "5 objects are lost in frame 00001: 1, 2, 3, 4, 5"
    ]


def test_the_picture_has_a_line_for_each_object_and_names_are_text(tmp_path):
    rows = [Row(index, str(index), index / 10, object_id, 0.5, 1) for index in range(5) for object_id in (1, 7)]
    draw_confidences(tmp_path / "picture.svg", rows, {7: "<script>x</script>"})
    root = xml.etree.ElementTree.parse(tmp_path / "picture.svg").getroot()
    lines = root.findall("{*}polyline")
    assert len(lines) == 2
    assert [point.split(",") for point in lines[0].get("points").split()][-1] == ["1000.0", "100.0"]
    texts = [text.text for text in root.findall("{*}text")]
    assert "object 1" in texts and "<script>x</script>" in texts


def test_a_picture_of_nothing(tmp_path):
    draw_confidences(tmp_path / "picture.svg", [], {})
    assert xml.etree.ElementTree.parse(tmp_path / "picture.svg").getroot().findall("{*}polyline") == []


def test_names_of_frames_come_back_as_they_were(tmp_path):
    rows = [Row(index, name, 0.0, 1, 0.5, 1) for index, name in enumerate(["'f0", "=f1", "''", "f3", "-f4", "\tf5"])]
    write_table(tmp_path / "table.csv", rows)
    assert read_table(tmp_path / "table.csv") == rows
