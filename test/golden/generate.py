"""Writes the golden fixtures: what PyTorch computes for single operations and for whole networks.

    python3 test/golden/generate.py [operations | NAME]

Needs PyTorch 1.13 or later, torchvision and NumPy. With `operations` only those are written, with NAME only the networks
whose name contains it. Weights and pictures are not stored: both sides make them from names (synthetic.py). Everything is
computed in float64 and stored in float32.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import networks
import operations
import safetensors_file

FOLDER = Path(__file__).parent


def stored(values):
    """In an element type that every safetensors reader knows."""
    types = {np.dtype(np.float64): np.float32, np.dtype(np.uint16): np.int32}
    return values.astype(types.get(values.dtype, values.dtype))


def write_operations():
    tensors, manifest = {}, []
    for case in operations.all_cases():
        names = {}
        for side in ("inputs", "outputs"):
            names[side] = {name: f"{case['name']}/{name}" for name in case[side]}
            for name, values in case[side].items():
                tensors[names[side][name]] = stored(values)
        manifest.append({"name": case["name"], "op": case["op"], "attributes": case["attributes"], **names})
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in manifest)
    (FOLDER / "operations.json").write_text(f"[\n{lines}\n]\n")
    safetensors_file.write(FOLDER / "operations.safetensors", tensors)
    print(f"{len(manifest)} operations")


def write_networks(wanted):
    (FOLDER / "networks").mkdir(exist_ok=True)
    for case in json.loads((FOLDER / "networks.json").read_text()):
        if wanted not in case["name"]:
            continue
        outputs, parameters = networks.run(case)
        safetensors_file.write(
            FOLDER / "networks" / f"{case['name']}.safetensors",
            {name: stored(values) for name, values in outputs.items()},
        )
        print(f"{case['name']}: {parameters} parameters, logits {outputs['logits'].shape}")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in ("", "operations"):
        write_operations()
    if name != "operations":
        write_networks(name)
