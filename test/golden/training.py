"""Cases of what surrounds the backward pass: losses with their gradients, optimisers, averages.

Cases are as in operations.py. The losses are PyTorch's cross_entropy on resized logits, the optimisers torch.optim's.
"""

import numpy as np
import torch
from torch.nn import functional as F

import synthetic
from operations import case, label_map, nchw, nhwc, random, wide


def keep_hard(logits, labels, ignore, threshold, minimum):
    """Labels of which the easy ones are ignored: the published OHEM, from the probabilities of the labels."""
    valid = labels != ignore
    probability = logits.softmax(dim=1).gather(1, torch.where(valid, labels, 0).unsqueeze(1)).squeeze(1)
    ordered = probability[valid].sort().values
    if minimum > 0 and len(ordered) > 0:
        threshold = max(threshold, ordered[min(minimum, len(ordered)) - 1].item())
    distances = (ordered - threshold).abs()
    assert (distances[distances > 0] > 1e-5).all(), "a probability that rounding could move across the threshold"
    return torch.where(valid & (probability <= threshold), labels, ignore)


def loss(
    name, shape, size, align_corners=True, weight=1, class_weights=False, smoothing=0, hard=(0, 0), ignore=255, labels=None
):
    logits = random(f"{name} logits", *shape) * np.float32(4)
    if labels is None:
        labels = label_map(f"{name} labels", (shape[0], *size), shape[3], ignore)
    weights = random(f"{name} classWeights", shape[3]) * np.float32(0.5) + np.float32(1)
    threshold, minimum = hard
    target = torch.from_numpy(labels.astype(np.int64))
    with torch.enable_grad():
        leaf = nchw(logits).requires_grad_()
        resized = F.interpolate(leaf, size, mode="bilinear", align_corners=align_corners)
        counted = keep_hard(resized.detach(), target, ignore, threshold, minimum) if threshold > 0 else target
        result = weight * F.cross_entropy(
            resized, counted, wide(weights) if class_weights else None, ignore_index=ignore, label_smoothing=smoothing
        )
        if (counted == ignore).all():  # PyTorch divides by no pixels.
            result = (leaf * 0).sum()
        (d_logits,) = torch.autograd.grad(result, leaf)
    inputs = {"logits": logits, "labels": labels.astype(np.uint8 if shape[3] <= 256 else np.uint16)}
    if class_weights:
        inputs["classWeights"] = weights
    attributes = {
        "weight": weight,
        "ignoreLabel": ignore,
        "labelSmoothing": smoothing,
        "hardThreshold": threshold,
        "hardMinimum": minimum,
        "alignCorners": align_corners,
    }
    outputs = {"loss": result.detach().numpy().reshape(1), "dLogits": nhwc(d_logits)}
    return case(name, "crossEntropy", inputs, attributes, outputs)


def losses():
    for corners in (True, False):
        mode = "corners" if corners else "half pixels"
        yield loss(f"loss {mode}", (2, 5, 7, 19), (17, 25), corners)
        yield loss(f"loss {mode} up by eight", (3, 3, 4, 5), (24, 32), corners, class_weights=True)
        yield loss(f"loss {mode} down", (1, 12, 9, 5), (5, 4), corners, weight=0.4)
        yield loss(f"loss {mode} hard", (2, 4, 5, 7), (13, 18), corners, hard=(0.2, 40))
    yield loss("loss at the logits' size", (2, 6, 5, 3), (6, 5), False)
    yield loss("loss from one pixel", (2, 1, 1, 7), (3, 5))
    yield loss("loss of one class", (1, 2, 3, 1), (5, 6))
    yield loss("loss of 300 classes", (1, 3, 4, 300), (7, 9), ignore=65535, class_weights=True)
    yield loss("loss smoothed", (2, 5, 4, 6), (10, 9), smoothing=0.1)
    yield loss("loss smoothed with weights", (2, 5, 4, 6), (10, 9), smoothing=0.2, class_weights=True, weight=0.4)
    yield loss("loss ignoring a class", (1, 4, 5, 6), (9, 11), ignore=2)
    everything = np.full((2, 6, 7), 255, np.uint32)
    yield loss("loss of ignored pixels alone", (2, 3, 4, 5), (6, 7), labels=everything)
    one = everything.copy()
    one[1, 4, 2] = 3
    yield loss("loss of one pixel", (2, 3, 4, 5), (6, 7), labels=one, class_weights=True)
    yield loss("loss hard by threshold alone", (2, 4, 5, 7), (13, 18), hard=(0.1, 0))
    yield loss("loss hard by count alone", (2, 4, 5, 7), (13, 18), hard=(1e-9, 25))
    yield loss("loss hard of fewer pixels than the minimum", (1, 3, 4, 5), (6, 7), hard=(0.1, 1000))
    yield loss("loss hard with weights", (2, 4, 5, 7), (13, 18), hard=(0.15, 60), class_weights=True, weight=0.5)


def norms():
    for name, count, factor, maximum in [
        ("norm clipped", 1001, 3, 5),
        ("norm below the maximum", 300, 0.01, 5),
        ("norm without maximum", 77, 1, 0),
        ("norm of one", 1, 1, 0.25),
        ("norm of zeros", 9, 0, 1),
        ("norm of many", 20011, 1, 1),
    ]:
        x = random(f"{name} x", count) * np.float32(factor)
        parameter = torch.nn.Parameter(torch.ones(count, dtype=torch.float64))
        parameter.grad = torch.ones_like(parameter)
        before = wide(x)
        parameter.grad.copy_(before)
        norm = torch.nn.utils.clip_grad_norm_([parameter], maximum if maximum > 0 else float("inf"))
        scale = 1.0 if maximum == 0 else min(1.0, maximum / (norm.item() + 1e-6))
        assert torch.allclose(parameter.grad, before * scale, rtol=1e-12, atol=0)
        outputs = {"norm": norm.numpy().reshape(1), "factor": np.float64([scale])}
        yield case(name, "globalNorm", {"x": x}, {"maximum": maximum}, outputs)


def optimiser_steps(name, operation, make, buffers, attributes, steps, first, count, length, gradient_scale=None):
    """Steps of an optimiser of torch.optim as one case each; every state is rounded once, where it is stored."""
    whole = wide(random(f"{name} parameters", length)).clone()
    state = {key: wide(value).clone() for key, value in buffers(name, length).items()}
    part = torch.nn.Parameter(whole[first : first + count].clone())
    optimiser = make(part, attributes)
    for step in range(1, steps + 1):
        rate = 0.1 * (1 - (step - 1) / 10) ** 0.9
        gradients = random(f"{name} gradients {step}", length)
        inputs = {"parameters": whole.numpy().astype(np.float32), "gradients": gradients}
        inputs.update({key: value.numpy().astype(np.float32) for key, value in state.items()})
        inputs["schedule"] = np.float32([rate, step])
        scale = 1.0
        if gradient_scale is not None:
            inputs["gradientScale"] = np.float32([gradient_scale])
            scale = float(np.float32(gradient_scale))
        part.grad = wide(gradients)[first : first + count] * scale
        for group in optimiser.param_groups:
            group["lr"] = float(np.float32(rate)) * attributes["learningRateScale"]
        optimiser.step()
        whole[first : first + count] = part.detach()
        own = optimiser.state[part]
        for key, source in {"velocity": "momentum_buffer", "firstMoment": "exp_avg", "secondMoment": "exp_avg_sq"}.items():
            # Without momentum torch keeps no buffer: the velocity is the gradient that was applied.
            if key in state:
                if own.get(source) is not None:
                    state[key][first : first + count] = own[source]
                else:
                    before = wide(inputs["parameters"])[first : first + count]
                    state[key][first : first + count] = part.grad + attributes["weightDecay"] * before
        outputs = {"newParameters": whole.numpy().copy()}
        outputs.update({f"new{key[0].upper()}{key[1:]}": value.numpy().copy() for key, value in state.items()})
        range_of = {"first": first, "count": count}
        yield case(f"{name} step {step}", operation, inputs, {**range_of, **attributes}, outputs)


def zeros_within(keys, first, count):
    """Optimiser state that starts at zero in the range, and elsewhere is something that must stay."""

    def make(name, length):
        buffers = {key: random(f"{name} {key}", length) for key in keys}
        for values in buffers.values():
            values[first : first + count] = 0
        return buffers

    return make


def optimisers():
    for name, first, count, length, options, scale in [
        ("sgd", 0, 131, 131, {}, None),
        ("sgd of a range", 37, 301, 500, {"learningRateScale": 10}, 0.25),
        ("sgd nesterov", 0, 65, 70, {"nesterov": True}, None),
        ("sgd without decay", 5, 33, 38, {"weightDecay": 0}, None),
        ("sgd without momentum", 0, 40, 40, {"momentum": 0}, 0.5),
    ]:
        attributes = {"learningRateScale": 1, "momentum": 0.9, "nesterov": False, "weightDecay": 0.0005, **options}

        def make(part, a):
            return torch.optim.SGD(
                [part], 0.1, momentum=a["momentum"], nesterov=a["nesterov"], weight_decay=a["weightDecay"]
            )

        buffers = zeros_within(["velocity"], first, count)
        yield from optimiser_steps(name, "sgd", make, buffers, attributes, 3, first, count, length, scale)
    for name, first, count, length, options, scale in [
        ("adamW", 0, 131, 131, {}, None),
        ("adamW of a range", 37, 301, 500, {"learningRateScale": 10}, 0.25),
        ("adamW without decay", 5, 33, 38, {"weightDecay": 0, "beta2": 0.95, "epsilon": 0.001}, None),
    ]:
        attributes = {
            "learningRateScale": 1,
            "beta1": 0.9,
            "beta2": 0.999,
            "epsilon": 1e-8,
            "weightDecay": 0.02,
            **options,
        }

        def make(part, a):
            return torch.optim.AdamW(
                [part], 0.1, betas=(a["beta1"], a["beta2"]), eps=a["epsilon"], weight_decay=a["weightDecay"]
            )

        buffers = zeros_within(["firstMoment", "secondMoment"], first, count)
        # Outside the range nothing is read: a second moment there may even be negative.
        yield from optimiser_steps(name, "adamW", make, buffers, attributes, 3, first, count, length, scale)


def averages():
    average, values = random("average", 203), random("average values", 203)
    for decay, warm_up, step in [(0.75, False, 1), (0.999, True, 1), (0.999, True, 37), (0.5, True, 100), (0, False, 5)]:
        name = f"average decay {decay}{' warm-up' if warm_up else ''} step {step}"
        d = min(decay, (1 + step) / (10 + step)) if warm_up else decay
        inputs = {"average": average, "values": values, "schedule": np.float32([0.01, step])}
        outputs = {"newAverage": torch.lerp(wide(values), wide(average), d).numpy()}
        yield case(name, "movingAverage", inputs, {"decay": decay, "warmUp": warm_up}, outputs)
    total, part = random("accumulate total", 203), random("accumulate part", 203)
    nothing = np.full_like(total, np.nan)
    for name, start, keep, scale in [
        ("accumulate", total, 1, 0.25),
        ("accumulate fading", total, 0.5, 1),
        ("accumulate from nothing", nothing, 0, 0.25),
    ]:
        inputs = {"total": start, "part": part, "weights": np.float32([keep, scale])}
        result = wide(part) * scale + (wide(start) * keep if keep else 0)
        yield case(name, "accumulate", inputs, {}, {"newTotal": result.numpy()})


def all_cases():
    for group in (losses, norms, optimisers, averages):
        yield from group()
