"""Cases of single operations: inputs, attributes and PyTorch's outputs in float64, in the project's layout.

Activations are (N, H, W, C), filters (O, kh, kw, C / groups). A case is a name, an operation, inputs by name (float32, or
bytes), all attributes of the operation and outputs by name.
"""

import numpy as np
import torch
from torch.nn import functional as F

import synthetic


def random(name, *shape):
    """float32 in [-1, 1)."""
    count = int(np.prod(shape))
    return (synthetic.units(name, count) * np.float32(2) - np.float32(1)).reshape(shape)


def nchw(values):
    return torch.from_numpy(values.astype(np.float64)).permute(0, 3, 1, 2)


def nhwc(tensor):
    return tensor.permute(0, 2, 3, 1).contiguous().numpy()


def wide(values):
    return torch.from_numpy(values.astype(np.float64))


def label_map(name, shape, classes, ignore, ignored_part=8):
    """Labels, about one in `ignored_part` ignored."""
    words = synthetic.hash_words(name, int(np.prod(shape)))
    labels = words % np.uint32(classes)
    labels[(words >> np.uint32(16)) % np.uint32(ignored_part) == 0] = ignore
    return labels.reshape(shape)


NO_ACTIVATION = {"activation": "none", "negativeSlope": 0}
RELU = {"activation": "relu", "negativeSlope": 0}
RELU6 = {"activation": "relu6", "negativeSlope": 0}
LEAKY = {"activation": "leakyRelu", "negativeSlope": 0.125}


def activate(x, epilogue):
    return {
        "none": lambda: x,
        "relu": lambda: F.relu(x),
        "relu6": lambda: F.relu6(x),
        "leakyRelu": lambda: F.leaky_relu(x, epilogue["negativeSlope"]),
    }[epilogue["activation"]]()


def case(name, operation, inputs, attributes, outputs):
    return {"name": name, "op": operation, "inputs": inputs, "attributes": attributes, "outputs": outputs}


def convolution(
    name, x_shape, outputs, kernel, stride=1, padding=None, dilation=1, groups=1, bias=True, residual=False, after=None
):
    kh, kw = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    padding = dilation * (kh - 1) // 2 if padding is None else padding
    after = after or NO_ACTIVATION
    inputs = {
        "x": random(f"{name} x", *x_shape),
        "filter": random(f"{name} filter", outputs, kh, kw, x_shape[3] // groups),
    }
    offset = None
    if bias:
        inputs["bias"] = random(f"{name} bias", outputs)
        offset = wide(inputs["bias"])
    y = F.conv2d(nchw(inputs["x"]), nchw(inputs["filter"]), offset, stride, padding, dilation, groups)
    if residual:
        n, c, h, w = y.shape
        inputs["residual"] = random(f"{name} residual", n, h, w, c) * np.float32(4)
        y = y + nchw(inputs["residual"])
    attributes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return case(
        name, "conv2d", inputs, {**attributes, **after, "outputType": "same"}, {"y": nhwc(activate(y, after))}
    )


def convolutions():
    yield convolution("conv 1x1", (2, 5, 7, 24), 17, 1)
    yield convolution("conv 1x1 to few", (1, 9, 13, 40), 3, 1, bias=False)
    yield convolution("conv 1x1 stride 2 odd size", (2, 9, 7, 16), 20, 1, stride=2, bias=False)
    yield convolution("conv 1x1 on one pixel", (3, 1, 1, 33), 18, 1, after=RELU)
    yield convolution("conv 3x3", (1, 13, 11, 16), 16, 3)
    yield convolution("conv 3x3 odd channels", (1, 8, 9, 18), 19, 3, after=RELU)
    yield convolution("conv 3x3 residual relu", (3, 13, 9, 16), 16, 3, residual=True, after=RELU)
    yield convolution("conv 3x3 residual leaky", (1, 6, 10, 8), 24, 3, residual=True, after=LEAKY)
    yield convolution("conv 3x3 no bias relu6", (1, 10, 6, 12), 16, 3, bias=False, after=RELU6)
    yield convolution("conv 3x3 stride 2", (1, 13, 10, 16), 24, 3, stride=2)
    yield convolution("conv 3x3 stride 2 from picture", (2, 17, 13, 3), 16, 3, stride=2, bias=False)
    yield convolution("conv 3x3 stride 2 on one pixel", (1, 1, 1, 16), 8, 3, stride=2)
    yield convolution("conv 3x3 dilation 2", (1, 11, 12, 16), 16, 3, dilation=2, after=RELU)
    yield convolution("conv 3x3 dilation 4 residual", (2, 9, 17, 16), 8, 3, dilation=4, residual=True)
    yield convolution("conv 3x3 dilation beyond the size", (1, 5, 3, 16), 16, 3, dilation=12)
    yield convolution("conv 3x3 stride 2 dilation 2", (1, 11, 9, 8), 8, 3, stride=2, dilation=2)
    yield convolution("conv 3x3 without padding", (1, 7, 8, 8), 8, 3, padding=0)
    yield convolution("conv 3x3 with more padding", (1, 5, 4, 8), 8, 3, padding=3)
    yield convolution("conv 7x7 stride 2 from picture", (1, 33, 21, 3), 16, 7, stride=2, bias=False)
    yield convolution("conv 5x5", (1, 7, 6, 8), 8, 5)
    yield convolution("conv 1x3", (1, 6, 9, 8), 8, (1, 3), padding=0)
    yield convolution("conv groups 4", (1, 7, 5, 32), 16, 3, groups=4, after=RELU)
    yield convolution("conv depthwise", (2, 9, 7, 24), 24, 3, groups=24, after=RELU6)
    yield convolution("conv depthwise stride 2 odd channels", (1, 11, 9, 19), 19, 3, stride=2, groups=19)
    yield convolution("conv depthwise dilation 2", (1, 9, 10, 16), 16, 3, dilation=2, groups=16, bias=False)
    yield convolution("conv depthwise on one pixel", (1, 1, 1, 16), 16, 3, groups=16, after=RELU6)


def pools():
    for name, shape, kernel, stride, padding, ceil_mode in [
        ("max pool floor", (2, 10, 13, 19), 3, 2, 1, False),
        ("max pool ceil", (2, 10, 13, 19), 3, 2, 1, True),
        ("max pool ceil even", (1, 8, 16, 16), 3, 2, 1, True),
        ("max pool on one pixel", (1, 1, 1, 5), 3, 2, 1, True),
        ("max pool 2x2 without padding", (1, 7, 5, 8), 2, 2, 0, False),
        ("max pool 2x2 ceil without padding", (1, 7, 5, 8), 2, 2, 0, True),
    ]:
        # All below zero, so that padding with zeros would show.
        x = random(f"{name} x", *shape) - np.float32(2)
        y = nhwc(F.max_pool2d(nchw(x), kernel, stride, padding, ceil_mode=ceil_mode))
        attributes = {"kernel": kernel, "stride": stride, "padding": padding, "ceilMode": ceil_mode}
        yield case(name, "maxPool2d", {"x": x}, attributes, {"y": y})
    for name, shape, height, width in [
        ("adaptive pool to one", (2, 7, 9, 19), 1, 1),
        ("adaptive pool to 6x6", (1, 13, 10, 16), 6, 6),
        ("adaptive pool to 2x3 from 2x3", (1, 2, 3, 8), 2, 3),
        ("adaptive pool upward", (1, 2, 3, 8), 5, 4),
    ]:
        x = random(f"{name} x", *shape)
        y = nhwc(F.adaptive_avg_pool2d(nchw(x), (height, width)))
        yield case(name, "adaptiveAveragePool2d", {"x": x}, {"height": height, "width": width}, {"y": y})


def resizes():
    sizes = [
        ("up", (2, 5, 7, 19), 13, 18),
        ("up by two", (1, 6, 5, 16), 12, 10),
        ("down", (1, 17, 11, 8), 5, 6),
        ("mixed", (1, 4, 12, 8), 9, 5),
        ("to one", (2, 5, 7, 8), 1, 1),
        ("from one", (2, 1, 1, 8), 4, 3),
        ("same size", (1, 4, 5, 8), 4, 5),
        ("from one row", (1, 1, 6, 8), 3, 11),
    ]
    for align_corners in (True, False):
        for label, shape, height, width in sizes:
            name = f"resize {'corners' if align_corners else 'half pixels'} {label}"
            x = random(f"{name} x", *shape)
            y = F.interpolate(nchw(x), (height, width), mode="bilinear", align_corners=align_corners)
            attributes = {"height": height, "width": width, "alignCorners": align_corners, **NO_ACTIVATION}
            yield case(name, "resizeBilinear", {"x": x}, attributes, {"y": nhwc(y)})
    name = "resize with residual and relu"
    x, residual = random(f"{name} x", 2, 4, 3, 18), random(f"{name} residual", 2, 9, 7, 18)
    y = F.relu(F.interpolate(nchw(x), (9, 7), mode="bilinear", align_corners=True) + nchw(residual))
    attributes = {"height": 9, "width": 7, "alignCorners": True, **RELU}
    yield case(name, "resizeBilinear", {"x": x, "residual": residual}, attributes, {"y": nhwc(y)})


def elementwise():
    x, other = random("elementwise x", 2, 5, 7, 19), random("elementwise other", 2, 5, 7, 19)
    for name, epilogue in [("relu", RELU), ("relu6", RELU6), ("leaky relu", LEAKY)]:
        big = x * np.float32(8)
        yield case(f"activate {name}", "activate", {"x": big}, epilogue, {"y": nhwc(activate(nchw(big), epilogue))})
    for name, epilogue in [("", NO_ACTIVATION), (" relu", RELU)]:
        y = nhwc(activate(nchw(x) + nchw(other), epilogue))
        yield case(f"add{name}", "add", {"a": x, "b": other}, epilogue, {"y": y})
    scale, shift = random("scaleShift scale", 19), random("scaleShift shift", 19)
    y = nchw(x) * wide(scale).reshape(1, -1, 1, 1) + wide(shift).reshape(1, -1, 1, 1)
    inputs = {"x": x, "scale": scale, "shift": shift}
    yield case("scale and shift", "scaleShift", inputs, NO_ACTIVATION, {"y": nhwc(y)})
    y = nhwc(activate(y + nchw(other), LEAKY))
    yield case("scale and shift residual leaky", "scaleShift", {**inputs, "residual": other}, LEAKY, {"y": y})

    vectors = {
        "weight": random("batch norm weight", 19),
        "bias": random("batch norm bias", 19),
        "runningMean": random("batch norm mean", 19),
        "runningVariance": random("batch norm variance", 19) + np.float32(1.25),
    }
    weight, bias, mean, variance = (wide(v) for v in vectors.values())
    y = F.batch_norm(nchw(x), mean, variance, weight, bias, eps=0.001)
    yield case("batch norm", "batchNorm", {"x": x, **vectors}, {"epsilon": 0.001}, {"y": nhwc(y)})

    factor = random("scale by factor", 1)
    y = (wide(x) * wide(factor)).numpy()
    yield case("scale by a scalar", "scaleBy", {"x": x, "factor": factor}, {}, {"y": y})

    parts = {key: random(f"concat {key}", 2, 3, 5, depth) for key, depth in zip("abcdef", (3, 16, 1, 8, 18, 5))}
    for count in (2, 4, 6):
        some = {key: parts[key] for key in "abcdef"[:count]}
        y = np.concatenate(list(some.values()), axis=3)
        yield case(f"concat {count}", "concat", some, {}, {"y": y})

    image = synthetic.image(2, 7, 9)
    scale, shift = np.float32([0.017, 0.018, 0.019]), np.float32([-2.1, -2.0, -1.8])
    for reverse in (False, True):
        seen = image[..., ::-1] if reverse else image
        y = seen.astype(np.float64) * scale.astype(np.float64) + shift.astype(np.float64)
        attributes = {"reverseChannels": reverse, "outputType": "float32"}
        name = f"normalise image{' reversed' if reverse else ''}"
        yield case(name, "normalizeImage", {"image": image, "scale": scale, "shift": shift}, attributes, {"y": y})


def softmaxes():
    for name, shape, scale in [
        ("softmax", (2, 7, 9, 19), 1),
        ("softmax scaled down", (1, 5, 4, 64), -2.5),
        ("softmax of large scores", (1, 9, 6, 33), 200),
        ("softmax of one channel", (1, 4, 4, 1), 1),
        ("softmax of many channels", (2, 3, 1, 512), 0.5),
    ]:
        x = random(f"{name} x", *shape) * np.float32(4)
        yield case(name, "softmax", {"x": x}, {"scale": scale}, {"y": (wide(x) * scale).softmax(dim=3).numpy()})


def regions():
    for name, shape, scale in [
        ("spatial softmax", (2, 7, 9, 19), 1),
        ("spatial softmax scaled", (1, 5, 4, 7), 2.5),
        ("spatial softmax on one pixel", (2, 1, 1, 5), 1),
        ("spatial softmax of large scores", (1, 9, 6, 3), 200),
        ("spatial softmax of one class", (1, 4, 4, 1), 1),
    ]:
        n, h, w, k = shape
        logits = random(f"{name} logits", *shape) * np.float32(4)
        y = (wide(logits) * scale).reshape(n, h * w, k).softmax(dim=1).reshape(shape).numpy()
        yield case(name, "spatialSoftmax", {"logits": logits}, {"scale": scale}, {"regions": y})
    for n, h, w, k, c in [(2, 7, 9, 19, 24), (1, 1, 1, 5, 16), (1, 13, 5, 1, 8), (1, 3, 4, 150, 33)]:
        name = f"aggregate {n}x{h}x{w} {k} classes {c} channels"
        scores = wide(random(f"{name} regions", n, h * w, k) * np.float32(3))
        maps = scores.softmax(dim=1).to(torch.float32).numpy().reshape(n, h, w, k)
        features = random(f"{name} features", n, h, w, c)
        y = torch.einsum("nik,nic->nkc", wide(maps).reshape(n, -1, k), wide(features).reshape(n, -1, c))
        outputs = {"y": y.reshape(n, k, 1, c).numpy()}
        yield case(name, "aggregateRegions", {"regions": maps, "features": features}, {}, outputs)
    for n, h, w, k, c, scale in [
        (2, 21, 17, 19, 24, 1),
        (1, 1, 1, 5, 16, 1),
        (1, 13, 5, 1, 8, 2.5),
        (1, 3, 4, 171, 33, 200),
    ]:
        name = f"gather {n}x{h}x{w} {k} classes {c} channels scale {scale}"
        logits = random(f"{name} logits", n, h, w, k) * np.float32(4)
        features = random(f"{name} features", n, h, w, c)
        maps = (wide(logits) * scale).reshape(n, -1, k).softmax(dim=1)
        y = torch.einsum("nik,nic->nkc", maps, wide(features).reshape(n, -1, c)).reshape(n, k, 1, c).numpy()
        yield case(name, "gatherRegions", {"logits": logits, "features": features}, {"scale": scale}, {"y": y})
    for n, h, w, k, c in [(2, 7, 9, 19, 24), (1, 1, 1, 5, 16), (1, 13, 5, 1, 8), (1, 3, 4, 150, 33)]:
        size = f"{n}x{h}x{w} {k} classes {c} channels"
        maps, vectors = random(f"distribute {size} regions", n, h, w, k), random(f"distribute {size} vectors", n, k, 1, c)
        y = torch.einsum("nhwk,nkc->nhwc", wide(maps), wide(vectors).squeeze(2)).numpy()
        yield case(f"distribute {size}", "distributeRegions", {"regions": maps, "vectors": vectors}, {}, {"y": y})
        features = random(f"score {size} features", n, h, w, c)
        scores = torch.einsum("nhwc,nkc->nhwk", wide(features), wide(vectors).squeeze(2)).numpy()
        inputs = {"features": features, "vectors": vectors}
        yield case(f"score {size}", "scoreRegions", inputs, {}, {"scores": scores})
    for n, h, w, k, d, c, scale, after in [
        (2, 7, 9, 19, 16, 24, 0.25, NO_ACTIVATION),
        (1, 1, 1, 5, 8, 8, 1, NO_ACTIVATION),
        (1, 5, 3, 1, 8, 16, 1, RELU),
        (1, 4, 5, 150, 33, 17, 2, LEAKY),
        (1, 3, 5, 7, 64, 8, 50, NO_ACTIVATION),
    ]:
        name = f"attend {n}x{h}x{w} {k} classes {d} to {c} scale {scale}"
        query = random(f"{name} query", n, h, w, d)
        key, value = random(f"{name} key", n, k, 1, d), random(f"{name} value", n, k, 1, c)
        relation = torch.einsum("nid,nkd->nik", wide(query).reshape(n, -1, d), wide(key).reshape(n, k, d))
        y = torch.einsum("nik,nkc->nic", (relation * scale).softmax(dim=2), wide(value).reshape(n, k, c))
        outputs = {"y": activate(y.reshape(n, h, w, c), after).numpy()}
        inputs = {"query": query, "key": key, "value": value}
        yield case(name, "attendRegions", inputs, {"scale": scale, **after}, outputs)


def pixels_attended(keys, cross):
    """(queries, keys) of true: all, or those of the same row or column."""
    height, width = keys
    if not cross:
        return torch.ones(1, height * width, dtype=torch.bool)
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    row, column = row.reshape(-1), column.reshape(-1)
    return (row[:, None] == row) | (column[:, None] == column)


def attend_pixels(query, key, value, scale, cross):
    """y and logSumExp, with the whole map of weights."""
    n, h, w, d = query.shape
    scores = query.reshape(n, h * w, d) @ key.reshape(n, -1, d).transpose(1, 2) * scale
    scores = scores.masked_fill(~pixels_attended(key.shape[1:3], cross), float("-inf"))
    y = scores.softmax(dim=2) @ value.reshape(n, -1, value.shape[3])
    return y.reshape(n, h, w, -1), scores.logsumexp(dim=2).reshape(n, h, w, 1)


# Operation, sizes of queries and keys, depth, channels, scale.
PIXEL_ATTENTION = [
    ("attendPixels", (2, 7, 9), (7, 9), 16, 24, 0.25),
    ("attendPixels", (1, 1, 1), (1, 1), 8, 8, 1),
    ("attendPixels", (1, 5, 3), (9, 13), 33, 17, 0.5),
    ("attendCrissCross", (2, 7, 9), (7, 9), 16, 24, 0.25),
    ("attendCrissCross", (1, 1, 5), (1, 5), 8, 8, 1),
    ("attendCrissCross", (1, 13, 3), (13, 3), 33, 17, 0.5),
]


def pixel_attention():
    for op, (n, h, w), (kh, kw), d, c, scale in PIXEL_ATTENTION:
        name = f"{op} {n}x{h}x{w} over {kh}x{kw} {d} to {c} scale {scale}"
        query, key = random(f"{name} query", n, h, w, d), random(f"{name} key", n, kh, kw, d)
        value = random(f"{name} value", n, kh, kw, c)
        y, log_sum_exp = attend_pixels(wide(query), wide(key), wide(value), scale, op == "attendCrissCross")
        outputs = {"y": y.numpy(), "logSumExp": log_sum_exp.numpy()}
        yield case(name, op, {"query": query, "key": key, "value": value}, {"scale": scale}, outputs)


def label_regions():
    for name, shape, height, width, classes in [
        ("down", (2, 17, 25), 5, 7, 6),
        ("down by eight", (1, 24, 32), 3, 4, 19),
        ("same size", (2, 4, 5), 4, 5, 3),
        ("up", (1, 3, 4), 7, 6, 5),
        ("300 classes", (1, 9, 8), 4, 4, 300),
    ]:
        ignore = 255 if classes <= 256 else 65535
        labels = label_map(f"label regions {name}", shape, classes, ignore, ignored_part=4)
        # PyTorch's nearest mode, as the published code resizes ground-truth regions.
        small = F.interpolate(torch.from_numpy(labels.astype(np.float64)).unsqueeze(1), (height, width), mode="nearest")
        hot = (small == torch.arange(classes).reshape(1, -1, 1, 1)).double()
        for normalised in (False, True):
            maps = F.normalize(hot.flatten(2), p=1, dim=2).reshape(hot.shape) if normalised else hot
            attributes = {"height": height, "width": width, "classes": classes, "normalised": normalised}
            yield case(
                f"label regions {name}{' normalised' if normalised else ''}",
                "labelRegions",
                {"labels": labels.astype(np.uint8 if classes <= 256 else np.uint16)},
                attributes,
                {"regions": nhwc(maps)},
            )


def labels():
    for name, shape, height, width, align_corners, label_type in [
        ("labels up corners", (2, 5, 7, 19), 17, 25, True, "uint8"),
        ("labels up half pixels", (2, 5, 7, 19), 17, 25, False, "uint8"),
        ("labels down", (1, 12, 9, 5), 5, 4, True, "uint8"),
        ("labels same size", (1, 6, 5, 3), 6, 5, False, "uint8"),
        ("labels from one pixel", (1, 1, 1, 7), 3, 5, True, "uint8"),
        ("labels of one class", (1, 2, 3, 1), 5, 6, True, "uint8"),
        ("labels of 300 classes", (1, 3, 4, 300), 7, 9, True, "uint16"),
    ]:
        logits = random(f"{name} logits", *shape) * np.float32(4)
        resized = F.interpolate(nchw(logits), (height, width), mode="bilinear", align_corners=align_corners)
        top = resized.topk(min(2, shape[3]), dim=1).values
        assert shape[3] == 1 or (top[:, 0] - top[:, 1]).min() > 1e-4, f"{name}: a tie that rounding could turn"
        attributes = {"height": height, "width": width, "alignCorners": align_corners, "labelType": label_type}
        outputs = {
            "labels": resized.argmax(dim=1).numpy().astype(label_type),
            "confidence": resized.softmax(dim=1).amax(dim=1).numpy(),
        }
        yield case(name, "resizeArgmax", {"logits": logits}, attributes, outputs)


def sums_of_taps():
    """Products of resized maps with each tap, summed by a convolution with filters that are one tap each."""
    for name, sizes, channels, height, width, kernel, dilation, align_corners, residual, after in [
        ("taps corners", [(5, 7)], 19, 13, 18, 3, 1, True, False, NO_ACTIVATION),
        ("taps half pixels", [(5, 7)], 19, 13, 18, 3, 1, False, False, NO_ACTIVATION),
        ("taps of a pyramid", [(1, 1), (2, 2), (3, 3), (6, 6)], 24, 11, 17, 3, 1, True, True, RELU),
        ("taps of a pyramid half pixels", [(1, 1), (2, 2), (3, 3), (6, 6)], 17, 8, 9, 3, 1, False, True, LEAKY),
        ("taps of six maps", [(4, 4), (2, 3), (1, 5), (7, 1), (9, 9), (3, 3)], 8, 9, 9, 1, 1, False, True, NO_ACTIVATION),
        ("taps dilated", [(3, 4)], 16, 10, 9, 3, 4, True, False, RELU6),
        ("taps dilated beyond the size", [(3, 4), (1, 1)], 16, 6, 5, 3, 7, False, False, NO_ACTIVATION),
        ("taps of a large filter", [(4, 3)], 5, 7, 9, 5, 2, True, True, NO_ACTIVATION),
        ("taps of a pixel", [(2, 3)], 8, 1, 1, 3, 1, False, False, NO_ACTIVATION),
    ]:
        taps, batch = kernel**2, 2
        inputs, total = {}, 0
        filters = torch.eye(taps, dtype=torch.float64).reshape(1, taps, kernel, kernel).expand(channels, -1, -1, -1)
        for key, (h, w) in zip("abcdef", sizes):
            inputs[key] = random(f"{name} {key}", batch, h, w, taps * channels)
            resized = F.interpolate(nchw(inputs[key]), (height, width), mode="bilinear", align_corners=align_corners)
            by_channel = resized.reshape(batch, taps, channels, height, width).transpose(1, 2).flatten(1, 2)
            padding = dilation * (kernel // 2)
            total = total + F.conv2d(by_channel, filters, None, 1, padding, dilation, channels)
        if residual:
            inputs["residual"] = random(f"{name} residual", batch, height, width, channels) * np.float32(4)
            total = total + nchw(inputs["residual"])
        attributes = {"height": height, "width": width, "kernel": kernel, "dilation": dilation}
        attributes = {**attributes, "alignCorners": align_corners, **after, "outputType": "float32"}
        yield case(name, "resizeTaps", inputs, attributes, {"y": nhwc(activate(total, after))})


def all_cases():
    groups = (convolutions, pools, resizes, sums_of_taps, elementwise, softmaxes, regions, pixel_attention, label_regions, labels)
    for group in groups:
        yield from group()
