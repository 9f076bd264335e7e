"""The rules of DAVIS and YouTube-VOS on small sequences of real mask files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hodor.errors import HodorError
from hodor.evaluation.masks import read_sequences
from hodor.evaluation.pairs import SequencePair
from hodor.evaluation.protocols import ObjectScores, davis, youtube_vos
from hodor.formats import run_length
from hodor.formats.label_maps import davis_palette, write_label_map, youtube_vos_palette

SIZE = (30, 40)


def labels(**columns: tuple[int, int]) -> np.ndarray:
    """A label map whose object <n> covers columns a..b-1 of rows 5..24: `labels(o1=(0, 10), o2=(20, 30))`."""
    result = np.zeros(SIZE, dtype=np.uint8)
    for name, (start, end) in columns.items():
        result[5:25, start:end] = int(name[1:])
    return result


def write_sequence(folder: Path, frames: list[np.ndarray | None], mode: str = "P") -> None:
    """Frame i as <folder>/0000i.png, None = no file; mode P, L, 1, or RGB in the colours of YouTube-VOS."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        path = folder / f"{index:05d}.png"
        if frame is None:
            continue
        if mode == "P":
            write_label_map(path, frame, davis_palette())
        elif mode == "RGB":
            Image.fromarray(youtube_vos_palette()[frame]).save(path)
        else:
            Image.fromarray(frame).convert(mode).save(path)


@pytest.fixture
def evaluate(tmp_path: Path):
    """Writes a truth and a prediction and gives the scores under a protocol."""

    def run(truth, prediction, protocol=davis, truth_mode="P", prediction_mode="P", **options) -> list[ObjectScores]:
        write_sequence(tmp_path / "truth" / "clip", truth, truth_mode)
        write_sequence(tmp_path / "results" / "clip", prediction, prediction_mode)
        true, predicted = (read_sequences(tmp_path / name)["clip"] for name in ("truth", "results"))
        return protocol(SequencePair(predicted, true), **options)

    return run


def test_davis_drops_the_first_and_the_last_frame(evaluate) -> None:
    truth = [labels(o1=(0, 10))] * 4
    scores = evaluate(truth, [None, truth[1], labels(o1=(0, 5)), None])
    assert [each.object_id for each in scores] == [1]
    assert scores[0].frames == ["00001", "00002"]
    assert scores[0].region == [1, 0.5]
    assert scores[0].contour[0] == 1
    assert scores[0].contour[1] < 1


def test_davis_counts_objects_up_to_the_highest_id_of_the_first_annotation(evaluate) -> None:
    first = labels(o1=(0, 10), o3=(20, 30))
    later = labels(o1=(0, 10), o3=(20, 30), o7=(32, 38))  # 7 is new, hence no object
    scores = evaluate([first, later, later], [first, labels(o1=(0, 10)), first])
    assert [each.object_id for each in scores] == [1, 2, 3]
    assert [each.region for each in scores] == [[1], [1], [0]]  # 2 is nowhere; 3 is missed
    assert [each.contour for each in scores] == [[1], [1], [0]]


def test_davis_void_is_background_in_the_truth(evaluate) -> None:
    truth = labels(o1=(0, 10), o255=(10, 20))
    (scores,) = evaluate([truth] * 3, [labels(o1=(0, 20))] * 3)
    assert scores.region == [0.5]


@pytest.mark.parametrize("surplus", [2, 255])
def test_davis_object_too_many(evaluate, surplus: int) -> None:
    truth = [labels(o1=(0, 10))] * 4
    strange = labels(o1=(0, 10), **{f"o{surplus}": (20, 30)})
    with pytest.raises(HodorError, match=rf"results/clip/00002.png: the prediction has an object {surplus} too many.*'clip'"):
        evaluate(truth, [*truth[:2], strange, truth[3]])
    with pytest.raises(HodorError, match=f"object {surplus} too many"):
        evaluate(truth, [*truth[:2], labels(**{f"o{surplus}": (0, 10)}), truth[3]])


def test_davis_too_many_objects_in_uncounted_frames_are_no_error(evaluate) -> None:
    truth = [labels(o1=(0, 10))] * 3
    (scores,) = evaluate(truth, [labels(o9=(0, 1)), truth[1], labels(o9=(0, 1))])
    assert scores.region == [1]


def test_davis_missing_frame(evaluate) -> None:
    truth = [labels(o1=(0, 10))] * 4
    with pytest.raises(HodorError, match=r"results/clip/00002.png: no such file; sequence 'clip' needs"):
        evaluate(truth, [*truth[:2], None, truth[3]])


def test_another_size(evaluate) -> None:
    truth = [labels(o1=(0, 10))] * 3
    with pytest.raises(HodorError, match=r"results/clip/00001.png: the mask is 20x30, but the true one is 40x30"):
        evaluate(truth, [truth[0], truth[1][:, :20], truth[2]])


def test_davis_first_annotation_without_object(evaluate) -> None:
    truth = [labels(), labels(o1=(0, 10)), labels(o1=(0, 10))]
    with pytest.raises(HodorError, match=r"truth/clip/00000.png: the first annotation .*youtube_vos"):
        evaluate(truth, truth)


@pytest.mark.parametrize("truth_mode", ["L", "P", "1", "RGB"])
@pytest.mark.parametrize("prediction_mode", ["L", "P", "1", "RGB", "ids"])
def test_davis_2016_is_white_on_black(tmp_path: Path, evaluate, truth_mode: str, prediction_mode: str) -> None:
    """Annotations 0/255, one bit, or white colour: one object; predictions likewise, or with id 1."""
    white = {"RGB": 9}  # white in the palette of YouTube-VOS
    truth = [labels(o1=(0, 10)) * white.get(truth_mode, 255)] * 4
    value = 1 if prediction_mode == "ids" else white.get(prediction_mode, 255)
    prediction = [frame * value for frame in (labels(o1=(0, 10)), labels(o1=(0, 10)), labels(o1=(0, 5)), labels())]
    mode = "P" if prediction_mode == "ids" else prediction_mode
    (scores,) = evaluate(truth, prediction, truth_mode=truth_mode, prediction_mode=mode)
    assert scores.object_id == 1
    assert scores.region == [1, 0.5]


def test_davis_2016_prediction_with_two_objects(evaluate) -> None:
    truth = [labels(o255=(0, 10))] * 3
    with pytest.raises(HodorError, match="object 2 too many"):
        evaluate(truth, [truth[0], labels(o1=(0, 10), o2=(20, 30)), truth[2]])


def test_colour_masks_of_several_objects(evaluate) -> None:
    frames = [labels(o1=(0, 10), o2=(20, 30))] * 3
    scores = evaluate(frames, frames, truth_mode="RGB", prediction_mode="RGB")
    assert [each.region for each in scores] == [[1], [1]]


def test_frames_are_in_natural_order(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        write_label_map(tmp_path / "clip" / f"{name}.png", labels(o1=(0, 10)), davis_palette())
    assert read_sequences(tmp_path)["clip"].frames == ("1", "9", "10")


def test_youtube_vos_counts_from_the_frame_after_the_first_appearance(evaluate) -> None:
    one, both = labels(o1=(0, 10)), labels(o1=(0, 10), o4=(20, 30))
    truth = [labels(), one, both, one, both]
    prediction = [None, None, labels(o1=(0, 10), o4=(0, 2)), both, labels(o1=(0, 10), o4=(20, 25))]
    first, second = evaluate(truth, prediction, youtube_vos)
    assert (first.object_id, first.frames) == (1, ["00002", "00003", "00004"])
    assert first.region == [0.8, 1, 1]
    assert (second.object_id, second.frames) == (4, ["00003", "00004"])
    assert second.region == [0, 0.5]


def test_youtube_vos_with_the_prompt_frame(evaluate) -> None:
    one, both = labels(o1=(0, 10)), labels(o1=(0, 10), o4=(20, 30))
    first, second = evaluate([one, both], [one, one], youtube_vos, include_prompt_frame=True)
    assert (first.frames, first.region) == (["00000", "00001"], [1, 1])
    assert (second.frames, second.region) == (["00001"], [0])


def test_youtube_vos_object_in_the_last_frame_only_has_no_score(evaluate) -> None:
    one, both = labels(o1=(0, 10)), labels(o1=(0, 10), o2=(20, 30))
    first, second = evaluate([one, both], [one, one], youtube_vos)
    assert (first.frames, second.frames, second.region) == (["00001"], [], [])


def test_youtube_vos_object_too_many_or_too_early(evaluate) -> None:
    one, both = labels(o1=(0, 10)), labels(o1=(0, 10), o2=(20, 30))
    first, _ = evaluate([one, one, both], [one, both, both], youtube_vos)  # object 2 is predicted before it appears
    assert first.region == [1, 1]
    with pytest.raises(
        HodorError, match=r"00001.png: the prediction has an object 5 too many: sequence 'clip' has the objects 1, 2"
    ):
        evaluate([one, one, both], [one, labels(o5=(0, 1)), both], youtube_vos)


def test_youtube_vos_without_any_object(evaluate) -> None:
    with pytest.raises(HodorError, match="no annotation of sequence 'clip' shows an object"):
        evaluate([labels()] * 2, [labels()] * 2, youtube_vos)


def test_run_length_json_equals_the_files(tmp_path: Path, evaluate) -> None:
    frames = [labels(o1=(0, 10), o2=(20, 30)), labels(o1=(2, 12)), labels(o1=(4, 14), o2=(22, 30)), labels()]
    shifted = [np.roll(frame, 1, 1) for frame in frames]
    tracks = [
        {str(i): {"seg": run_length.encode(frame == i), "box": [0, 0, 1, 1], "area": 1} for i in (1, 2) if (frame == i).any()}
        for frame in frames
    ]
    content = {
        "meta": {"category_labels": {"7": "person"}},
        "sequences": [
            {
                "id": "clip",
                "height": SIZE[0],
                "width": SIZE[1],
                "image_paths": [f"clip/{index:05d}.jpg" for index in range(4)],
                "categories": {"1": 7, "2": "dog"},
                "tracks": tracks,
            }
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    (truth,) = read_sequences(tmp_path / "truth.json").values()
    assert truth.categories == {1: "person", 2: "dog"}
    expected = evaluate(frames, shifted)
    found = davis(SequencePair(read_sequences(tmp_path / "results")["clip"], truth))
    assert 0 < expected[0].region[0] < 1
    for one, other in zip(expected, found, strict=True):
        assert one.frames == other.frames
        assert one.region == other.region
        assert one.contour == other.contour
