"""Tracks objects through a video with onnxruntime alone; PNG files of object ids are given by the number of their frame.

hodor export compact --out compact_onnx
python examples/track_with_onnxruntime.py compact_onnx holiday.mp4 found 0=first.png 4=newcomer.png
"""

import json
import sys
from pathlib import Path

import av
import numpy as np
import onnxruntime
from PIL import Image


def load(folder):
    """{name: function of inputs by name}, and the settings that the network is meant to be used with."""
    functions = {}
    for name in ("features", "describe", "segment"):
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=onnxruntime.get_available_providers())
        properties = session.get_modelmeta().custom_metadata_map
        if (found := properties.get("hodor_format", "none")) != "1":
            sys.exit(f"error: {folder / name}.onnx: its format is {found}, not 1; write it anew: hodor export")
        functions[name] = lambda session=session, **inputs: session.run(None, inputs)
    return functions, json.loads(properties["hodor_settings"])


def resize(maps, size):
    """[..., H, W] -> [..., *size], bilinear with pixel centres aligned."""
    for axis, old, new in zip((-2, -1), maps.shape[-2:], size, strict=True):
        place = np.clip((np.arange(new, dtype=np.float32) + 0.5) * np.float32(old / new) - 0.5, 0, old - 1)
        low, share = place.astype(int), (place % 1).reshape((-1, 1) if axis == -2 else -1)
        maps = maps.take(low, axis) * (1 - share) + maps.take(np.minimum(low + 1, old - 1), axis) * share
    return maps


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def long_term(slots, interval, most=8):
    """Every slot at a multiple of the interval, or of twice that, and so on, until there are few enough."""
    kept = [slot for slot in slots if interval and slot[0] % interval == 0]
    while len(kept) > most:
        interval *= 2
        kept = [slot for slot in kept if slot[0] % interval == 0]
    return kept


def recalled(slots, ids):
    """Slots (frame, {id: [C]}, [Qb, C] or None) as the inputs of "segment"; what a slot doesn't know is absent."""
    cells = next(slot[2] for slot in slots if slot[2] is not None)
    known = np.array([[[each in slot[1] for slot in slots] for each in ids]])
    lacking = np.broadcast_to([slot[2] is None for slot in slots], (1, len(cells), len(slots))).copy()
    objects = np.stack([np.stack([slot[1].get(each, cells[0]) for slot in slots]) for each in ids])[None]
    background = np.stack([cells if slot[2] is None else slot[2] for slot in slots], axis=1)[None]
    return {"objects": objects, "background": background, "objects_absent": ~known, "background_absent": lacking}


def track(folder, frames, given, **changed):
    """Yields the label map [H, W] of each frame [H, W, 3], where `given` has those of some, and `changed` other settings."""
    run, settings = load(Path(folder))
    settings |= changed
    mean, std = (np.array(settings[name], np.float32).reshape(3, 1, 1) for name in ("mean", "std"))
    ids, memory, references = [], [], []
    for t, frame in enumerate(frames):
        size = frame.shape[:2]
        scale = min(settings["min_dim"] / min(size), settings["max_dim"] / max(size))
        network = [max(round(scale * side), 1) for side in size]
        margins = [(0, 0), *((0, -side % 32) for side in network)]
        image = (resize(frame.transpose(2, 0, 1).astype(np.float32), network) - mean) / std
        image = np.pad(image if settings["channel_order"] == "rgb" else image[::-1], margins)[None]
        stride_4, stride_8 = run["features"](image=image)
        masks = {int(each): given[t] == each for each in np.unique(given.get(t, 0)) if each and each not in ids}
        shown = {each: np.pad(resize(mask[None].astype(np.float32), network) > 0.5, margins) for each, mask in masks.items()}
        labels, before, ids = np.zeros(size, np.uint8), ids, sorted([*ids, *masks])
        if masks:
            stack = np.concatenate(list(shown.values()))[None].astype(np.float32)
            objects, background = run["describe"](stride_8=stride_8, masks=stack, given=np.ones(len(masks), bool))
            memory.append((t, dict(zip(masks, objects[0], strict=True)), None if before else background[0]))
            references.append(memory[-1])
        if before:
            start = t - settings["temporal_window"]
            old = long_term([slot for slot in memory if slot[0] < start], settings["long_term_interval"])
            memory = [slot for slot in memory if slot[0] >= start]
            kept = [slot for slot in references if settings["permanent_reference"] and slot[0] < start]
            logits = run["segment"](stride_4=stride_4, stride_8=stride_8, **recalled(memory + kept + old, ids))[0]
            first, padded = settings["background_channels"], image.shape[2:]
            soft, flags = resize(softmax(logits)[:, first:], padded), np.array([each in masks for each in ids])
            for each, mask in shown.items():
                soft = soft * ~mask
                soft[:, ids.index(each)] = mask
            objects, background = run["describe"](stride_8=stride_8, masks=soft.astype(np.float32), given=flags)
            memory = [slot for slot in memory if slot[0] < t]
            memory = [*old, *memory, (t, dict(zip(ids, objects[0], strict=True)), background[0])]
            likely = resize(softmax(resize(logits, padded))[0, :, : network[0], : network[1]], size)
            likely[first:][flags] = -1
            labels = np.array([0] * first + ids, np.uint8)[likely.argmax(axis=0)]
        for each, mask in masks.items():
            labels[mask] = each
        yield labels


if __name__ == "__main__":
    onnx_folder, video, out, *masks_given = sys.argv[1:]
    label_maps = {int(number): np.array(Image.open(path)) for number, _, path in (each.partition("=") for each in masks_given)}
    decoded = (frame.to_ndarray(format="rgb24") for frame in av.open(video).decode(video=0))
    for index, found in enumerate(track(onnx_folder, decoded, label_maps)):
        Path(out).mkdir(parents=True, exist_ok=True)
        Image.fromarray(found).save(Path(out) / f"{index:05d}.png")
