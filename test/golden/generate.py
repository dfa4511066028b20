"""Writes the golden fixtures: what PyTorch computes for single operations, for whole networks and while it trains one.

    python3 test/golden/generate.py [operations | training-operations | training | contexts | NAME]

Needs PyTorch 1.13 or later, torchvision and NumPy. Without an argument everything is written. `operations` are those of
inference (operations.py), `training-operations` those of training (gradients.py, training.py), `training` is the trained
network (training_run.py), `contexts` are heads on features alone (context_heads.py), and NAME only the networks whose name
contains it. Weights and pictures are not stored: both sides make them from names (synthetic.py). Everything is computed in
float64 and stored in float32.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import context_heads
import gradients
import networks
import operations
import safetensors_file
import training
import training_run

FOLDER = Path(__file__).parent


def stored(values):
    """In an element type that every safetensors reader knows."""
    types = {np.dtype(np.float64): np.float32, np.dtype(np.uint16): np.int32}
    return values.astype(types.get(values.dtype, values.dtype))


def write_operations(stem, cases):
    tensors, manifest, known = {}, [], {}
    for case in cases:
        names = {}
        for side in ("inputs", "outputs"):
            names[side] = {}
            for name, values in case[side].items():
                # Cases that share a tensor store it once.
                values = np.ascontiguousarray(stored(values))
                content = (values.dtype.str, values.shape, values.tobytes())
                key = known.setdefault(content, f"{case['name']}/{name}")
                names[side][name] = key
                tensors[key] = values
        manifest.append({"name": case["name"], "op": case["op"], "attributes": case["attributes"], **names})
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in manifest)
    (FOLDER / f"{stem}.json").write_text(f"[\n{lines}\n]\n")
    safetensors_file.write(FOLDER / f"{stem}.safetensors", tensors)
    print(f"{len(manifest)} {stem}")


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


def write_training_runs():
    (FOLDER / "training").mkdir(exist_ok=True)
    for run in json.loads((FOLDER / "training-runs.json").read_text()):
        tensors = {name: stored(values) for name, values in training_run.fixture(run).items()}
        safetensors_file.write(FOLDER / "training" / f"{run['name']}.safetensors", tensors)


def write_contexts():
    (FOLDER / "contexts").mkdir(exist_ok=True)
    for case in json.loads((FOLDER / "contexts.json").read_text()):
        tensors = {name: stored(values) for name, values in context_heads.fixture(case).items()}
        safetensors_file.write(FOLDER / "contexts" / f"{case['name']}.safetensors", tensors)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    writers = {
        "operations": lambda: write_operations("operations", operations.all_cases()),
        "training-operations": lambda: write_operations(
            "training-operations", [*gradients.all_cases(), *training.all_cases()]
        ),
        "training": write_training_runs,
        "contexts": write_contexts,
    }
    for kind in [name] if name in writers else [] if name else writers:
        writers[kind]()
    if name not in writers:
        write_networks(name)
