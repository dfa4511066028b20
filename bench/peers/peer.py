"""What the peers in Python have in common: weights, noise, and how they talk with bench/line-process.ts."""

import json
import struct

import numpy as np
import torch


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, entry in header.items():
            first, end = entry["data_offsets"]
            file.seek(8 + length + first)
            values = np.frombuffer(bytearray(file.read(end - first)), np.float32)
            yield name, torch.from_numpy(values.reshape(entry["shape"]))


def noise(first, end, start):
    """Words `first` to `end` of a sequence of bench/noise.ts."""
    x = np.arange(first, end, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(start)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x


def say(message):
    print(json.dumps(message), flush=True)
