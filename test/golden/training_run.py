"""Trains the networks of training-runs.json for a few steps and notes the losses and what became of the weights.

The protocol, which test/support/training-run.ts follows on the other side. Weights and running statistics start as
synthetic.parameter makes them, velocities at zero. Step t, counted from 0, of T:

1. The batch is batch(name, t mod `batches`, …) below: pictures in which each class has a colour under noise, labels in cells
   of 16 × 16 pixels, about one cell in eight ignored (255).
2. Forward in training mode: batch normalisation with the statistics of the batch, whose running statistics move by 0.1, the
   variance unbiased. There is no dropout.
3. Each head's logits are resized to the labels' size (bilinear, align_corners) and give a cross-entropy, the mean over the
   pixels that are not ignored. loss = loss(logits) + auxiliaryWeight · loss(regionLogits).
4. torch.optim.SGD on all parameters, biases and batch norm included: g ← g + weightDecay · w, v ← momentum · v + g, w ← w −
   lr(t) · v with lr(t) = learningRate · (1 − t / T)^0.9.

The fixture of a run, computed in float64:

- `losses` (T, 2): of logits and regionLogits at each step, before the step and without their weights;
- `gradientNorms` (T): Euclidean norm of the gradients of `loss` of all parameters at each step, without weight decay;
- `checksums` (T, 2): of the pictures' bytes and of the labels: Σ value_i · (i mod 997), modulo 65521;
- `gradient/NAME` for every parameter, in PyTorch's layout: the norm of its gradient of `loss` at step 0, without weight
  decay, then up to 16 of its elements, those at ⌊i · n / min(16, n)⌋;
- `change/NAME` for every parameter and running statistic: the same of (last − first);
- `yardstick/…`: how far PyTorch itself gets away from this when it computes in float32, the worst of RUNS runs of which all
  but one start with weights that were moved by a unit in the last place: a ReLU or a maximum that rounding turns over
  shows in some runs and not in others, and from there on grows. Relative errors: `losses` (T) and `gradientNorms` (T) at
  each step; `gradients` (2) and `changes` (2): of all parameters together, ‖Δ₃₂ − Δ₆₄‖ / ‖Δ₆₄‖, and of the worst tensor.
  Biases in front of a batch normalisation have no gradient but rounding: tensors whose norm is below 1e-6 of that of all
  do not count as the worst, and no comparison of them alone says anything.

Generating fails where the losses of the run that starts with the very weights differ by more than 1e-5.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

import networks
import synthetic

IGNORE = 255
CELL = 16
RUNS = 6


def batch(name, step, count, height, width, classes):
    """RGB bytes (N, H, W, 3) and labels (N, H, W)."""
    rows, columns = math.ceil(height / CELL), math.ceil(width / CELL)
    words = synthetic.hash_words(f"{name} labels {step}", count * rows * columns).reshape(count, rows, columns)
    words = words.repeat(CELL, axis=1).repeat(CELL, axis=2)[:, :height, :width]
    kind = (words % np.uint32(classes)).astype(np.int64)
    noise = synthetic.hash_words(f"{name} image {step}", count * height * width * 3) >> np.uint32(26)
    colour = 32 * ((kind[..., None] + 1) * np.arange(1, 4) % 7)
    image = noise.reshape(count, height, width, 3) + colour
    labels = np.where((words >> np.uint32(16)) % np.uint32(8) == 0, IGNORE, kind)
    return image.astype(np.uint8), labels.astype(np.uint8)


def checksum(values):
    flat = values.reshape(-1).astype(np.int64)
    return int((flat * (np.arange(len(flat)) % 997)).sum() % 65521)


def learning_rate(run, step):
    return run["learningRate"] * (1 - step / run["steps"]) ** 0.9


def state_of(model):
    """Parameters and running statistics by their official names, in float64."""
    return {
        networks.official_name(key): value.detach().double().clone()
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def train(run, dtype, jitter=None):
    """What the fixture holds, but for the yardsticks; gradients and changes whole, by name."""
    model = networks.load(run).to(dtype).train()
    if jitter is not None:
        for name, value in model.named_parameters():
            signs = torch.from_numpy(synthetic.hash_words(f"{name} {jitter}", value.numel()).astype(np.int64) % 3 - 1)
            value.mul_(1 + signs.reshape(value.shape) * 2**-23)
    before = state_of(model)
    parameters = list(model.parameters())
    optimiser = torch.optim.SGD(parameters, 1, momentum=run["momentum"], weight_decay=run["weightDecay"])
    losses, norms, checksums, gradients = [], [], [], {}
    for step in range(run["steps"]):
        image, labels = batch(run["name"], step % run["batches"], run["batch"], run["height"], run["width"], run["classes"])
        target = torch.from_numpy(labels.astype(np.int64))
        with torch.enable_grad():
            outputs = model(image)
            parts = [
                F.cross_entropy(
                    F.interpolate(outputs[name], target.shape[1:], mode="bilinear", align_corners=True),
                    target,
                    ignore_index=IGNORE,
                )
                for name in ("logits", "regionLogits")
            ]
            optimiser.zero_grad()
            (parts[0] + run["auxiliaryWeight"] * parts[1]).backward()
        losses.append([part.item() for part in parts])
        if step == 0:
            gradients = {networks.official_name(n): p.grad.double().numpy().copy() for n, p in model.named_parameters()}
        norms.append(math.sqrt(sum(p.grad.double().square().sum().item() for p in parameters)))
        checksums.append([checksum(image), checksum(labels)])
        optimiser.param_groups[0]["lr"] = learning_rate(run, step)
        optimiser.step()
    changes = {name: (value - before[name]).numpy() for name, value in state_of(model).items()}
    return {
        "losses": np.array(losses),
        "gradientNorms": np.array(norms),
        "checksums": np.array(checksums, np.int32),
        "gradient": gradients,
        "change": changes,
    }


def sampled(values):
    flat = values.reshape(-1)
    count = min(16, len(flat))
    return np.concatenate([[np.linalg.norm(flat)], flat[[i * len(flat) // count for i in range(count)]]])


def tensor_errors(narrow, wide):
    """Relative errors of all parameters together, and of the worst tensor."""
    errors = {name: np.linalg.norm(narrow[name] - values) for name, values in wide.items()}
    sizes = {name: np.linalg.norm(values) for name, values in wide.items()}
    parameters = [name for name in wide if "running" not in name]
    whole = math.hypot(*(sizes[name] for name in parameters))
    worst = max(errors[name] / sizes[name] for name in wide if sizes[name] > 1e-6 * whole)
    return np.array([math.hypot(*(errors[name] for name in parameters)) / whole, worst])


def errors_of(narrow, wide):
    return {
        "losses": np.abs(narrow["losses"] / wide["losses"] - 1).max(axis=1),
        "gradientNorms": np.abs(narrow["gradientNorms"] / wide["gradientNorms"] - 1),
        "gradients": tensor_errors(narrow["gradient"], wide["gradient"]),
        "changes": tensor_errors(narrow["change"], wide["change"]),
    }


def fixture(run):
    wide = train(run, torch.float64)
    errors = [errors_of(train(run, torch.float32, jitter), wide) for jitter in [None, *range(1, RUNS)]]
    plain = errors[0]["losses"].max()
    worst = {name: np.max([e[name] for e in errors], axis=0) for name in errors[0]}
    print(f"{run['name']}: losses\n{np.round(wide['losses'], 4).tolist()}")
    print(f"gradient norms {np.round(wide['gradientNorms'], 3).tolist()}; float32 losses differ by {plain:.1e}, worst runs:")
    print("\n".join(f"  {name} {' '.join(f'{e:.1e}' for e in values)}" for name, values in worst.items()))
    assert plain < 1e-5, "the losses amplify rounding"
    return {
        **{name: wide[name] for name in ("losses", "gradientNorms", "checksums")},
        **{f"yardstick/{name}": values for name, values in worst.items()},
        **{f"{kind}/{name}": sampled(v) for kind in ("gradient", "change") for name, v in wide[kind].items()},
    }
