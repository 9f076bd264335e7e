import torch

from hodor.inference.memory import LONG_TERM_SLOTS, DescriptorMemory, MemorySettings

CHANNELS, CELLS = 4, 3


def descriptors(frame, ids):
    """Recognisable values: frame + id / 10 for objects, -frame for the background."""
    objects = torch.stack([torch.full((CHANNELS,), frame + object_id / 10) for object_id in ids])[None]
    return objects, torch.full((1, CELLS, CHANNELS), -float(frame))


def filled(window, frames, ids=(1, 2), **options):
    memory = DescriptorMemory(MemorySettings(window, **options))
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
    other = DescriptorMemory(MemorySettings(3, permanent_reference=True))
    other.load_state_dict(memory.state_dict())
    for ours, theirs in zip(other.recall(9, [1, 2]), memory.recall(9, [1, 2]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_frames_beyond_the_window_are_every_nth_and_never_more_than_the_slots():
    memory = filled(3, 12, long_term_interval=4)
    torch.testing.assert_close(memory.recall(12, [1]).objects[0, 0, :, 0], torch.tensor([9.1, 10.1, 11.1, 0.1, 4.1, 8.1]))
    for frames in (100, 1000):
        memory = filled(3, frames, long_term_interval=4)
        beyond = memory.recall(frames, [1]).objects[0, 0, 3:, 0].round().int().tolist()
        assert LONG_TERM_SLOTS / 2 <= len(beyond) <= LONG_TERM_SLOTS
        assert len(memory.state_dict()["slots"]) <= 4 + LONG_TERM_SLOTS
        assert beyond[0] == 0 and beyond == sorted(beyond) and beyond[-1] > frames / 2
        assert all(frame % 4 == 0 for frame in beyond)


def test_an_object_that_is_unsure_for_long_is_known_as_it_was_when_it_was_sure():
    memory = filled(2, 3, min_confidence=0.5)
    for frame in range(3, 12):
        memory.write(frame, [1, 2], *descriptors(frame, [1, 2]), unsure=torch.tensor([False, True]))
        recalled = memory.recall(frame + 1, [1, 2])
        known = [recalled.objects[0, i, ~recalled.objects_absent[0, i], 0].tolist() for i in range(2)]
        assert len(known[0]) == 2 and all(value > frame - 1 for value in known[0])
        assert [round(value, 1) for value in known[1]] == [2.2]
        assert not recalled.background_absent[0, :, :-1].any() and recalled.background_absent[0, :, -1].all()
    memory.write(12, [1, 2], *descriptors(12, [1, 2]), unsure=torch.tensor([False, False]))
    recalled = memory.recall(13, [1, 2])
    assert [round(value, 1) for value in recalled.objects[0, 1, ~recalled.objects_absent[0, 1], 0].tolist()] == [12.2]


def test_state_round_trip_with_all_that_is_kept():
    options = {"permanent_reference": True, "min_confidence": 0.5, "long_term_interval": 2}
    memory, other = filled(3, 9, **options), DescriptorMemory(MemorySettings(3, **options))
    memory.write(9, [1, 2], *descriptors(9, [1, 2]), unsure=torch.tensor([True, False]))
    other.load_state_dict(memory.state_dict())
    for each in (memory, other):
        each.write(10, [1, 2], *descriptors(10, [1, 2]), unsure=torch.tensor([True, True]))
    for ours, theirs in zip(other.recall(11, [1, 2]), memory.recall(11, [1, 2]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
