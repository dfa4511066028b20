"""Writes the safetensors format: header length, header as JSON, then the tensors' bytes."""

import json
import struct

import numpy as np

TYPES = {np.dtype(np.float32): "F32", np.dtype(np.uint8): "U8", np.dtype(np.int32): "I32"}


def write(path, tensors):
    header, offset = {}, 0
    # Wide elements first: every tensor then starts at a multiple of its element's size.
    ordered = sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)
    for name, values in ordered:
        end = offset + values.nbytes
        header[name] = {"dtype": TYPES[values.dtype], "shape": list(values.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in ordered:
            file.write(np.ascontiguousarray(values).tobytes())
