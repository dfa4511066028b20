"""What the peers in Python have in common: how they read weights, and how they talk with bench/line-process.ts."""

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


def say(message):
    print(json.dumps(message), flush=True)
