import torch

from hodor.inference.memory import DescriptorMemory

CHANNELS, CELLS = 4, 3


def descriptors(frame, ids):
    """Recognisable values: frame + id / 10 for objects, -frame for the background."""
    objects = torch.stack([torch.full((CHANNELS,), frame + object_id / 10) for object_id in ids])[None]
    return objects, torch.full((1, CELLS, CHANNELS), -float(frame))


def filled(window, frames, ids=(1, 2), **options):
    memory = DescriptorMemory(window, **options)
    for frame in range(frames):
        objects, background = descriptors(frame, ids)
        if frame == 0:
            memory.write_reference(frame, ids, objects, background)
        memory.write(frame, ids, objects, background)
    return memory


def test_recalls_the_window_in_order_of_time():
    recalled = filled(3, 10).recall(10, [1, 2])
    assert recalled.objects.shape == (1, 2, 3, CHANNELS)
    torch.testing.assert_close(recalled.objects[0, 1, :, 0], torch.tensor([7.2, 8.2, 9.2]))
    torch.testing.assert_close(recalled.background[0, 2, :, 0], torch.tensor([-7.0, -8.0, -9.0]))
    assert recalled.objects_absent is None and recalled.background_absent is None


def test_the_current_frame_counts_and_the_window_has_one_slot_more():
    memory = filled(3, 10)
    memory.write(10, [5], descriptors(10, [5])[0], None)
    recalled = memory.recall(10, [1, 5])
    assert recalled.objects.shape[2] == 4
    assert recalled.objects_absent[0].tolist() == [[False, False, False, True], [True, True, True, False]]
    assert recalled.background_absent[0].tolist() == [[False, False, False, True]] * CELLS


def test_forgets_what_left_the_window():
    assert len(filled(3, 500).state_dict()["slots"]) == 4


def test_writing_a_frame_again_replaces_it():
    memory = filled(3, 2)
    objects, background = descriptors(50, [1])
    memory.write(1, [1], objects, background)
    recalled = memory.recall(2, [1, 2])
    assert recalled.objects[0, 0, 1, 0] == torch.tensor(50.1)
    assert recalled.objects_absent[0, 1].tolist() == [False, True]


def test_permanent_reference_appears_once_the_window_has_passed():
    assert filled(3, 3, permanent_reference=True).recall(3, [1, 2]).objects.shape[2] == 3
    recalled = filled(3, 10, permanent_reference=True).recall(10, [1, 2])
    assert recalled.objects.shape[2] == 4
    torch.testing.assert_close(recalled.objects[0, :, -1, 0], torch.tensor([0.1, 0.2]))
    assert (recalled.background[0, :, -1] == 0).all() and recalled.background_absent is None


def test_permanent_reference_of_an_object_that_started_later():
    memory = filled(2, 6, ids=(1,), permanent_reference=True)
    objects, background = descriptors(6, [2])
    memory.write_reference(6, [2], objects, background)
    for frame in range(6, 12):
        memory.write(frame, [1, 2], *descriptors(frame, [1, 2]))
        recalled = memory.recall(frame + 1, [1, 2])
        absent = recalled.objects_absent is not None and bool(recalled.objects_absent[0, 1, -1])
        assert absent == (frame + 1 - 2 <= 6)
    assert recalled.objects[0, 1, -1, 0] == torch.tensor(6.2)
    assert (recalled.background[0, :, -1] == 0).all()


def test_a_forgotten_object_is_gone_everywhere():
    memory = filled(3, 5, permanent_reference=True)
    memory.forget_object(2)
    assert memory.recall(5, [1, 2]).objects_absent[0].all(dim=1).tolist() == [False, True]


def test_state_round_trip():
    memory = filled(3, 9, permanent_reference=True)
    other = DescriptorMemory(3, permanent_reference=True)
    other.load_state_dict(memory.state_dict())
    for ours, theirs in zip(other.recall(9, [1, 2]), memory.recall(9, [1, 2]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
