"""Weights and pictures made from names, so that no fixture has to store them.

Element i of a tensor is a 32-bit hash of the tensor's name and i, as an exact float32 in [0, 1), scaled by at most one
rounded float32 product. test/support/synthetic-weights.ts computes the same bits.
"""

import json
import math
import re
from pathlib import Path

import numpy as np

# Powers of two, by parameter name, that keep the activations of deep networks near one; shared with TypeScript.
SCALES = [
    (re.compile(rule["name"]), rule["exponent"])
    for rule in json.loads(Path(__file__).with_name("weight-scales.json").read_text())
]


def hash_words(name, count):
    """uint32 words: FNV-1a of the name starts a Weyl sequence, MurmurHash3's finaliser mixes it."""
    start = 0x811C9DC5
    for byte in name.encode():
        start = ((start ^ byte) * 0x01000193) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(start)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x85EBCA6B)
        x ^= x >> np.uint32(13)
        x *= np.uint32(0xC2B2AE35)
        x ^= x >> np.uint32(16)
    return x


def units(name, count):
    """float32 in [0, 1), exact."""
    return (hash_words(name, count) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def parameter(name, shape):
    """A parameter in PyTorch's layout. Filters are He-uniform; statistics and factors of batch norm lie in [0.5, 1.5)."""
    unit = units(name, math.prod(shape))
    signed = unit * np.float32(2) - np.float32(1)
    if len(shape) == 4:
        values = signed * np.float32(math.sqrt(6 / math.prod(shape[1:])))
    elif name.endswith((".weight", ".running_var")):
        values = unit + np.float32(0.5)
    else:
        values = signed * np.float32(0.25)
    for pattern, exponent in SCALES:
        if pattern.search(name):
            values = values * np.float32(2.0**exponent)
    return values.reshape(shape)


def image(batch, height, width):
    """RGB bytes (N, H, W, 3)."""
    words = hash_words("image", batch * height * width * 3)
    return (words >> np.uint32(24)).astype(np.uint8).reshape(batch, height, width, 3)
