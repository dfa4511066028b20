"""Cases of the backward pass: PyTorch's autograd in float64 through the plain forward, in the project's layout.

Cases are as in operations.py. What a gradient operation takes from the forward pass (a maximum, the statistics of a batch)
is rounded to float32, as it is stored.
"""

import numpy as np
import torch
from torch.nn import functional as F

import operations
from operations import LEAKY, NO_ACTIVATION, RELU, RELU6, activate, case, nchw, nhwc, random, wide


def gradients(forward, inputs, weights):
    """Gradients of Σ forward(*inputs) · weights with respect to every input."""
    with torch.enable_grad():
        leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
        return torch.autograd.grad((forward(*leaves) * weights).sum(), leaves)


def input_gradient(forward, shape, dy):
    """Of a linear forward: where it is taken does not matter."""
    return nhwc(gradients(forward, [nchw(np.zeros(shape))], nchw(dy))[0])


def convolution(name, x_shape, outputs, kernel, stride=1, padding=None, dilation=1, groups=1, residual=False):
    padding = dilation * (kernel - 1) // 2 if padding is None else padding
    x = random(f"{name} x", *x_shape)
    filter = random(f"{name} filter", outputs, kernel, kernel, x_shape[3] // groups)

    def forward(x, filter):
        return F.conv2d(x, filter, None, stride, padding, dilation, groups)

    n, c, h, w = forward(nchw(x), nchw(filter)).shape
    dy = random(f"{name} dy", n, h, w, c)
    dx, d_filter = (nhwc(g) for g in gradients(forward, [nchw(x), nchw(filter)], nchw(dy)))
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    inputs = {"dy": dy, "filter": filter}
    if residual:
        inputs["residual"] = random(f"{name} residual", *x_shape) * np.float32(4)
        dx = dx + inputs["residual"]
    size = {"height": x_shape[1], "width": x_shape[2]}
    yield case(f"{name}, input", "conv2dInputGradient", inputs, {**window, **size}, {"dx": dx})
    size = {"kernelHeight": kernel, "kernelWidth": kernel}
    yield case(
        f"{name}, filter", "conv2dFilterGradient", {"x": x, "dy": dy}, {**window, **size}, {"dFilter": d_filter}
    )


def convolutions():
    yield from convolution("conv 1x1", (2, 5, 7, 24), 17, 1)
    yield from convolution("conv 1x1 to few residual", (1, 9, 13, 40), 3, 1, residual=True)
    yield from convolution("conv 1x1 stride 2 odd size", (2, 9, 7, 16), 20, 1, stride=2)
    yield from convolution("conv 1x1 stride 2 even size", (2, 8, 6, 16), 8, 1, stride=2)
    yield from convolution("conv 1x1 on one pixel", (3, 1, 1, 33), 18, 1)
    yield from convolution("conv 3x3", (1, 13, 11, 16), 16, 3)
    yield from convolution("conv 3x3 odd channels", (2, 8, 9, 18), 19, 3)
    yield from convolution("conv 3x3 residual", (3, 13, 9, 16), 16, 3, residual=True)
    yield from convolution("conv 3x3 stride 2", (2, 13, 10, 16), 24, 3, stride=2)
    yield from convolution("conv 3x3 stride 2 residual", (1, 12, 9, 16), 8, 3, stride=2, residual=True)
    yield from convolution("conv 3x3 stride 2 from picture", (2, 17, 13, 3), 16, 3, stride=2)
    yield from convolution("conv 3x3 stride 2 on one pixel", (1, 1, 1, 16), 8, 3, stride=2)
    yield from convolution("conv 3x3 dilation 2", (2, 11, 12, 16), 16, 3, dilation=2)
    yield from convolution("conv 3x3 dilation 4 residual", (2, 9, 17, 16), 8, 3, dilation=4, residual=True)
    yield from convolution("conv 3x3 dilation beyond the size", (1, 5, 3, 16), 16, 3, dilation=12)
    yield from convolution("conv 3x3 stride 2 dilation 2", (1, 11, 9, 8), 8, 3, stride=2, dilation=2)
    yield from convolution("conv 3x3 without padding", (1, 7, 8, 8), 8, 3, padding=0)
    yield from convolution("conv 3x3 with more padding", (1, 5, 4, 8), 8, 3, padding=3)
    yield from convolution("conv 7x7 stride 2 from picture", (2, 33, 21, 3), 16, 7, stride=2)
    yield from convolution("conv 5x5", (1, 7, 6, 8), 8, 5)
    yield from convolution("conv groups 4", (2, 7, 5, 32), 16, 3, groups=4)
    yield from convolution("conv depthwise", (3, 9, 7, 24), 24, 3, groups=24)
    yield from convolution("conv depthwise stride 2 odd channels", (2, 11, 9, 19), 19, 3, stride=2, groups=19)
    yield from convolution("conv depthwise dilation 2 residual", (1, 9, 10, 16), 16, 3, dilation=2, groups=16, residual=True)
    yield from convolution("conv depthwise on one pixel", (2, 1, 1, 16), 16, 3, groups=16)


def norm_vectors(name, channels):
    return {
        "weight": random(f"{name} weight", channels) + np.float32(1.25),
        "bias": random(f"{name} bias", channels),
        "runningMean": random(f"{name} mean", channels),
        "runningVariance": random(f"{name} variance", channels) + np.float32(1.25),
    }


def batch_norm(name, shape, after, frozen=False, recovers_input=False, residual=False, momentum=0.1, epsilon=1e-5):
    """Forward and backward, the latter in every form that fits: from x, from x and y, from y alone."""
    # Means unlike zero and a spread unlike one, so that a variance taken as E[x²] − E[x]² would show.
    x = random(f"{name} x", *shape) * np.float32(2) + np.float32(3)
    vectors = norm_vectors(name, shape[3])
    weight, bias, running_mean, running_variance = (wide(v) for v in vectors.values())
    added = random(f"{name} residual", *shape) * np.float32(2) if residual else np.zeros(shape, np.float32)
    new_mean, new_variance = running_mean.clone(), running_variance.clone()

    def forward(x, weight, bias, added):
        # Autograd calls it again: the statistics of the first call are kept.
        mean, variance = running_mean.clone(), running_variance.clone()
        y = F.batch_norm(x, mean, variance, weight, bias, not frozen, momentum, epsilon)
        new_mean.copy_(mean)
        new_variance.copy_(variance)
        return activate(y + added, after)

    y = nhwc(forward(nchw(x), weight, bias, nchw(added)))
    ends = np.abs(np.stack([y, y - 6]))
    assert ends[ends > 0].min() > 4e-6, f"{name}: a value that rounding could move across a bend"
    mean = running_mean if frozen else wide(x).mean(dim=(0, 1, 2))
    variance = running_variance if frozen else wide(x).var(dim=(0, 1, 2), unbiased=False)
    outputs = {
        "y": y,
        "mean": mean.numpy(),
        "inverseDeviation": (variance + epsilon).rsqrt().numpy(),
        "newRunningMean": new_mean.numpy(),
        "newRunningVariance": new_variance.numpy(),
    }
    attributes = {"epsilon": epsilon, "momentum": momentum, "frozen": frozen, "synchronised": False, "recoversInput": recovers_input, **after}
    inputs = {"x": x, **vectors, **({"residual": added} if residual else {})}
    yield case(name, "batchNormTraining", inputs, attributes, outputs)

    dy = random(f"{name} dy", *shape)
    dx, d_weight, d_bias, d_residual = gradients(forward, [nchw(x), weight, bias, nchw(added)], nchw(dy))
    outputs = {"dx": nhwc(dx), "dWeight": d_weight.numpy(), "dBias": d_bias.numpy(), "dResidual": nhwc(d_residual)}
    stored = {
        "dy": dy,
        "weight": vectors["weight"],
        "bias": vectors["bias"],
        "mean": mean.numpy().astype(np.float32),
        "inverseDeviation": (variance + epsilon).rsqrt().numpy().astype(np.float32),
    }
    given, y = {"frozen": frozen, "synchronised": False, **after}, y.astype(np.float32)
    if not residual:
        yield case(f"{name}, gradient", "batchNormGradient", {**stored, "x": x}, given, outputs)
    yield case(f"{name}, gradient from x and y", "batchNormGradient", {**stored, "x": x, "y": y}, given, outputs)
    if not residual and after["activation"] in ("none", "leakyRelu"):
        yield case(f"{name}, gradient from y", "batchNormGradient", {**stored, "y": y}, given, outputs)


def moments_of(y):
    """Of each 64 neighbouring pixels: their means, and the sums of squared distances from these."""
    ranges = torch.from_numpy(y.reshape(-1, y.shape[3])).split(64)
    means = torch.stack([pixels.mean(dim=0) for pixels in ranges])
    squares = torch.stack([pixels.var(dim=0, unbiased=False) * len(pixels) for pixels in ranges])
    return {"means": means.numpy(), "squares": squares.numpy()}


def convolution_with_moments(name, x_shape, outputs, kernel, stride=1, padding=None, dilation=1, groups=1, bias=False):
    padding = dilation * (kernel - 1) // 2 if padding is None else padding
    inputs = {
        "x": random(f"{name} x", *x_shape),
        "filter": random(f"{name} filter", outputs, kernel, kernel, x_shape[3] // groups),
    }
    if bias:
        inputs["bias"] = random(f"{name} bias", outputs) * np.float32(4)
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    offset = wide(inputs["bias"]) if bias else None
    y = nhwc(F.conv2d(nchw(inputs["x"]), nchw(inputs["filter"]), offset, *window.values()))
    yield case(name, "conv2dMoments", inputs, window, {"y": y, **moments_of(y)})


def batch_norm_with_moments(name, shape, after, residual=False):
    """The case of batch_norm, and the same from the moments of x, which are stored in float32."""
    plain = next(batch_norm(name, shape, after, residual=residual))
    moments = {key: values.astype(np.float32) for key, values in moments_of(plain["inputs"]["x"].astype(np.float64)).items()}
    yield case(name, plain["op"], {**plain["inputs"], **moments}, plain["attributes"], plain["outputs"])


def moments():
    yield from convolution_with_moments("moments conv 1x1", (2, 5, 7, 24), 17, 1)
    yield from convolution_with_moments("moments conv 1x1 of whole ranges", (2, 8, 8, 16), 20, 1, bias=True)
    yield from convolution_with_moments("moments conv 3x3", (3, 9, 5, 16), 33, 3, bias=True)
    yield from convolution_with_moments("moments conv 3x3 stride 2", (2, 21, 13, 8), 19, 3, stride=2)
    yield from convolution_with_moments("moments conv 3x3 dilation 2 and one pixel more", (1, 13, 5, 8), 16, 3, dilation=2)
    yield from convolution_with_moments("moments conv 3x3 on one pixel", (1, 1, 1, 8), 5, 3, bias=True)
    yield from convolution_with_moments("moments conv groups 4", (1, 9, 8, 16), 8, 3, groups=4)
    yield from batch_norm_with_moments("batch norm of moments", (2, 9, 7, 19), NO_ACTIVATION)
    yield from batch_norm_with_moments("batch norm of moments of whole ranges", (1, 16, 12, 5), RELU)
    yield from batch_norm_with_moments("batch norm of moments residual leaky", (1, 5, 13, 16), LEAKY, residual=True)
    yield from batch_norm_with_moments("batch norm of moments of two pixels", (1, 1, 2, 3), NO_ACTIVATION)


def batch_norms():
    yield from batch_norm("batch norm", (2, 5, 7, 19), NO_ACTIVATION)
    yield from batch_norm("batch norm relu", (3, 4, 5, 16), RELU, epsilon=0.001)
    yield from batch_norm("batch norm relu6", (2, 5, 3, 8), {**RELU6})
    yield from batch_norm("batch norm leaky", (2, 3, 7, 18), LEAKY, momentum=0.01)
    yield from batch_norm("batch norm leaky in place", (1, 9, 6, 16), LEAKY, recovers_input=True)
    yield from batch_norm("batch norm in place", (2, 4, 3, 33), NO_ACTIVATION, recovers_input=True)
    yield from batch_norm("batch norm residual", (2, 5, 3, 16), NO_ACTIVATION, residual=True)
    yield from batch_norm("batch norm residual relu", (2, 7, 5, 24), RELU, residual=True)
    yield from batch_norm("batch norm residual leaky", (1, 5, 7, 17), LEAKY, residual=True)
    yield from batch_norm("batch norm frozen", (2, 5, 3, 19), NO_ACTIVATION, frozen=True)
    yield from batch_norm("batch norm frozen relu", (1, 6, 5, 16), RELU, frozen=True)
    yield from batch_norm("batch norm frozen leaky in place", (2, 3, 5, 8), LEAKY, frozen=True, recovers_input=True)
    yield from batch_norm("batch norm frozen residual relu", (2, 3, 5, 16), RELU, frozen=True, residual=True)
    yield from batch_norm("batch norm frozen on one pixel", (1, 1, 1, 5), NO_ACTIVATION, frozen=True)
    yield from batch_norm("batch norm of two pixels", (2, 1, 1, 9), NO_ACTIVATION, epsilon=0.1)
    # Small means are lost in a sum over many pixels whose parts are added badly.
    yield from batch_norm("batch norm of many pixels", (1, 41, 37, 3), RELU)


def elementwise():
    for name, after in [("relu", RELU), ("relu6", RELU6), ("leaky relu", LEAKY)]:
        x = random(f"activate {name} x", 2, 5, 7, 19) * np.float32(8)
        dy = random(f"activate {name} dy", *x.shape)
        y = nhwc(activate(nchw(x), after)).astype(np.float32)
        (dx,) = gradients(lambda x: activate(x, after), [nchw(x)], nchw(dy))
        yield case(f"activate {name}, gradient", "activateGradient", {"dy": dy, "y": y}, after, {"dx": nhwc(dx)})
    for shape in [(2, 5, 7, 19), (1, 1, 1, 3), (3, 17, 13, 32)]:
        name = "channel sums " + "x".join(str(size) for size in shape)
        x, other = random(f"{name} x", *shape), random(f"{name} other", *shape)
        yield case(name, "channelSums", {"x": x}, {}, {"y": wide(x).sum(dim=(0, 1, 2)).numpy()})
        y = (wide(x) * wide(other)).sum(dim=(0, 1, 2)).numpy()
        yield case(f"{name} of products", "channelSums", {"x": x, "other": other}, {}, {"y": y})
    for shape in [(2, 5, 7, 19), (1, 1, 1, 3), (1, 41, 37, 65)]:
        name = "dot product " + "x".join(str(size) for size in shape)
        a, b = random(f"{name} a", *shape), random(f"{name} b", *shape)
        yield case(name, "dotProduct", {"a": a, "b": b}, {}, {"y": (wide(a) * wide(b)).sum().reshape(1).numpy()})
    x = random("slice x", 2, 3, 5, 29)
    for first, count in [(0, 16), (16, 13), (3, 1), (0, 29)]:
        attributes = {"first": first, "count": count}
        outputs = {"y": np.ascontiguousarray(x[..., first : first + count])}
        yield case(f"slice {count} channels from {first}", "sliceChannels", {"x": x}, attributes, outputs)


def pools():
    for name, shape, kernel, stride, padding, ceil_mode in [
        ("max pool floor", (2, 10, 13, 19), 3, 2, 1, False),
        ("max pool ceil", (2, 10, 13, 19), 3, 2, 1, True),
        ("max pool ceil even", (1, 8, 16, 16), 3, 2, 1, True),
        ("max pool on one pixel", (1, 1, 1, 5), 3, 2, 1, True),
        ("max pool stride 1", (2, 5, 6, 8), 3, 1, 1, False),
        ("max pool 2x2 without padding", (1, 7, 5, 8), 2, 2, 0, False),
        ("max pool 2x2 ceil without padding", (1, 7, 5, 8), 2, 2, 0, True),
        ("max pool with gaps", (1, 11, 9, 8), 2, 3, 0, False),
        ("max pool of ties", (2, 9, 8, 19), 3, 2, 1, False),
        ("max pool ceil of zeros", (1, 6, 6, 8), 3, 2, 1, True),
    ]:
        x = random(f"{name} x", *shape) - np.float32(2)
        if "ties" in name:
            x = np.round(x * np.float32(2))
        if "zeros" in name:
            x = np.zeros_like(x)

        def forward(x):
            return F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil_mode)

        dy = random(f"{name} dy", *nhwc(forward(nchw(x))).shape)
        # Contiguous, since which of several maxima counts is part of the case.
        (dx,) = gradients(forward, [nchw(x).contiguous()], nchw(dy))
        attributes = {"kernel": kernel, "stride": stride, "padding": padding, "ceilMode": ceil_mode}
        outputs = {"dx": nhwc(dx)}
        yield case(f"{name}, gradient", "maxPool2dGradient", {"x": x, "dy": dy}, attributes, outputs)
    for name, shape, height, width in [
        ("adaptive pool to one", (2, 7, 9, 19), 1, 1),
        ("adaptive pool to 6x6", (1, 13, 10, 16), 6, 6),
        ("adaptive pool to 2x3 from 2x3", (1, 2, 3, 8), 2, 3),
        ("adaptive pool upward", (1, 2, 3, 8), 5, 4),
    ]:
        dy = random(f"{name} dy", shape[0], height, width, shape[3])
        dx = input_gradient(lambda x: F.adaptive_avg_pool2d(x, (height, width)), shape, dy)
        size = {"height": shape[1], "width": shape[2]}
        yield case(f"{name}, gradient", "adaptiveAveragePool2dGradient", {"dy": dy}, size, {"dx": dx})


def resizes():
    sizes = [
        ("up", (2, 5, 7, 19), 13, 18),
        ("up by two", (1, 6, 5, 16), 12, 10),
        ("up by eight", (1, 3, 4, 8), 24, 32),
        ("down", (1, 17, 11, 8), 5, 6),
        ("mixed", (1, 4, 12, 8), 9, 5),
        ("to one", (2, 5, 7, 8), 1, 1),
        ("from one", (2, 1, 1, 8), 4, 3),
        ("same size", (1, 4, 5, 8), 4, 5),
        ("from one row", (1, 1, 6, 8), 3, 11),
    ]
    for align_corners in (True, False):
        for label, shape, height, width in sizes:
            name = f"resize {'corners' if align_corners else 'half pixels'} {label}, gradient"
            dy = random(f"{name} dy", shape[0], height, width, shape[3])

            def forward(x):
                return F.interpolate(x, (height, width), mode="bilinear", align_corners=align_corners)

            attributes = {"height": shape[1], "width": shape[2], "alignCorners": align_corners}
            outputs = {"dx": input_gradient(forward, shape, dy)}
            yield case(name, "resizeBilinearGradient", {"dy": dy}, attributes, outputs)


def softmaxes():
    for name, shape, scale in [
        ("softmax", (2, 7, 9, 19), 1),
        ("softmax scaled", (1, 5, 4, 64), -2.5),
        ("softmax of one channel", (1, 4, 4, 1), 1),
        ("softmax of many channels", (2, 3, 1, 512), 0.5),
    ]:
        x, dy = wide(random(f"{name} x", *shape) * np.float32(4)), random(f"{name} dy", *shape)

        def forward(x):
            return (x * scale).softmax(dim=3)

        (dx,) = gradients(forward, [x], wide(dy))
        inputs = {"y": forward(x).numpy().astype(np.float32), "dy": dy}
        yield case(f"{name}, gradient", "softmaxGradient", inputs, {"scale": scale}, {"dx": dx.numpy()})


def spatial_softmaxes():
    for name, shape, scale in [
        ("spatial softmax", (2, 7, 9, 19), 1),
        ("spatial softmax scaled", (1, 5, 4, 7), 2.5),
        ("spatial softmax on one pixel", (2, 1, 1, 5), 1),
        ("spatial softmax of one class", (1, 4, 4, 1), 1),
        ("spatial softmax of many pixels", (1, 31, 33, 3), 1),
    ]:
        n, h, w, k = shape
        logits = wide(random(f"{name} logits", *shape) * np.float32(4))

        def forward(logits):
            return (logits * scale).reshape(n, h * w, k).softmax(dim=1).reshape(shape)

        # One pixel has all of its class: its gradient is zero, whatever dRegions.
        d_regions = random(f"{name} dRegions", *shape)
        (d_logits,) = gradients(forward, [logits], wide(d_regions))
        inputs = {"regions": forward(logits).numpy().astype(np.float32), "dRegions": d_regions}
        outputs = {"dLogits": d_logits.numpy()}
        yield case(f"{name}, gradient", "spatialSoftmaxGradient", inputs, {"scale": scale}, outputs)


def regions():
    for n, h, w, k, d, c, scale in [
        (2, 7, 9, 19, 16, 24, 0.25),
        (1, 1, 1, 5, 8, 8, 1),
        (1, 5, 3, 1, 8, 16, 1),
        (1, 4, 5, 150, 33, 17, 0.5),
        (3, 3, 5, 7, 64, 8, 0.125),
        (1, 17, 31, 6, 16, 16, 0.25),
    ]:
        name = f"attend {n}x{h}x{w} {k} classes {d} to {c} scale {scale}, gradient"
        query, dy = random(f"{name} query", n, h, w, d), random(f"{name} dy", n, h, w, c)
        key, value = random(f"{name} key", n, k, 1, d), random(f"{name} value", n, k, 1, c)

        def forward(query, key, value):
            relation = torch.einsum("nhwd,nkd->nhwk", query, key.squeeze(2)) * scale
            return torch.einsum("nhwk,nkc->nhwc", relation.softmax(dim=3), value.squeeze(2))

        results = gradients(forward, [wide(query), wide(key), wide(value)], wide(dy))
        outputs = {name: g.numpy() for name, g in zip(("dQuery", "dKey", "dValue"), results)}
        inputs = {"query": query, "key": key, "value": value, "dy": dy}
        yield case(name, "attendRegionsGradient", inputs, {"scale": scale}, outputs)


def pixel_attention():
    for op, (n, h, w), (kh, kw), d, c, scale in operations.PIXEL_ATTENTION:
        name = f"{op} {n}x{h}x{w} over {kh}x{kw} {d} to {c} scale {scale}, gradient"
        query, key = random(f"{name} query", n, h, w, d), random(f"{name} key", n, kh, kw, d)
        value, dy = random(f"{name} value", n, kh, kw, c), random(f"{name} dy", n, h, w, c)
        cross = op == "attendCrissCross"
        wides = [wide(query), wide(key), wide(value)]
        y, log_sum_exp = operations.attend_pixels(*wides, scale, cross)
        results = gradients(lambda *tensors: operations.attend_pixels(*tensors, scale, cross)[0], wides, wide(dy))
        outputs = {name: g.numpy() for name, g in zip(("dQuery", "dKey", "dValue"), results)}
        saved = {"y": y.to(torch.float32).numpy(), "logSumExp": log_sum_exp.to(torch.float32).numpy()}
        inputs = {"query": query, "key": key, "value": value, **saved, "dy": dy}
        yield case(name, f"{op}Gradient", inputs, {"scale": scale}, outputs)


def all_cases():
    for group in (convolutions, batch_norms, elementwise, pools, resizes, softmaxes, spatial_softmaxes, regions, pixel_attention, moments):
        yield from group()
