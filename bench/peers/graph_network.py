"""A graph of bench/describe-graph.ts as a PyTorch module, its forward pass one line of Python for each node.

It is PyTorch as its users write it: tensors in channels_last, activations in place where nobody else reads, values let go
after their last reader. Lines and not a loop over nodes, so that torch.compile sees a plain function.
"""

import torch
import torch.nn.functional as F


def activate(y, activation, slope):
    if activation == "relu":
        return F.relu_(y)
    if activation == "relu6":
        return F.hardtanh_(y, 0, 6)
    return F.leaky_relu_(y, slope) if activation == "leakyRelu" else y


def normalize_image(image, scale, shift, reverse):
    seen = image.flip(1) if reverse else image
    y = seen.to(scale.dtype) * scale[:, None, None] + shift[:, None, None]
    return y.contiguous(memory_format=torch.channels_last)


def spatial_softmax(logits, scale):
    return torch.softmax(scale * logits.flatten(2), 2).view_as(logits)


def aggregate_regions(regions, features):
    """(N, K, H, W) and (N, C, H, W) → (N, C, K, 1)."""
    return (regions.flatten(2) @ features.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(3)


def attend_regions(query, key, value, scale):
    """(N, D, H, W), (N, D, K, 1) and (N, C, K, 1) → (N, C, H, W)."""
    n, _, h, w = query.shape
    relation = torch.softmax(scale * query.flatten(2).transpose(1, 2) @ key.squeeze(3), 2)
    # Pixels by channels is channels_last already.
    return (relation @ value.squeeze(3).transpose(1, 2)).view(n, h, w, -1).permute(0, 3, 1, 2)


class GraphNetwork(torch.nn.Module):
    """Called with pictures (N, 3, H, W) of bytes; gives a dictionary of outputs."""

    def __init__(self, graph, weights):
        super().__init__()
        names = {}
        for i, parameter in enumerate(graph["parameters"]):
            tensor = weights[parameter["name"]]
            if tensor.dim() == 4:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            if parameter["trainable"]:
                self.register_parameter(f"p{i}", torch.nn.Parameter(tensor))
            else:
                self.register_buffer(f"p{i}", tensor)
            names[parameter["id"]] = f"self.p{i}"
        for i, constant in enumerate(graph["constants"]):
            self.register_buffer(f"c{i}", torch.tensor(constant["values"]))
            names[constant["id"]] = f"self.c{i}"
        source = "\n    ".join(["def forward(self, image):", *lines(graph, names)])
        functions = {}
        exec(compile(source, "<graph>", "exec"), globals(), functions)
        self.run = functions["forward"]

    def forward(self, image):
        return self.run(self, image)


def lines(graph, names):
    readers, last = {}, {}
    for i, node in enumerate(graph["nodes"]):
        for value in node["inputs"].values():
            readers[value] = readers.get(value, 0) + 1
            last[value] = i
    names = {**names, graph["inputs"][0]: "image"}
    outputs = graph["outputs"]
    for i, node in enumerate(graph["nodes"]):
        (output,) = node["outputs"].values()
        names[output] = f"v{output}"
        inputs = {name: names[value] for name, value in node["inputs"].items()}
        shared = "x" in node["inputs"] and readers[node["inputs"]["x"]] > 1
        yield f"v{output} = {expression(node['op'], node['attributes'], inputs, shared)}"
        dead = [names[v] for v in set(node["inputs"].values()) if last[v] == i and v not in outputs.values()]
        dead = [name for name in dead if name.startswith("v")]
        if dead:
            yield f"del {', '.join(dead)}"
    yield "return {" + ", ".join(f"{name!r}: {names[value]}" for name, value in outputs.items()) + "}"


def expression(op, a, x, shared):
    """A node in PyTorch: its attributes, its inputs by name, and whether others read its input x too."""

    def activated(text):
        kind = a.get("activation", "none")
        return text if kind == "none" else f"activate({text}, {kind!r}, {a.get('negativeSlope', 0)})"

    def plus_residual(text):
        return f"{text} + {x['residual']}" if "residual" in x else text

    size = f"({a.get('height')}, {a.get('width')})"
    if op == "normalizeImage":
        return f"normalize_image({x['image']}, {x['scale']}, {x['shift']}, {bool(a['reverseChannels'])})"
    if op == "conv2d":
        geometry = f"{a['stride']}, {a['padding']}, {a['dilation']}, {a['groups']}"
        return activated(plus_residual(f"F.conv2d({x['x']}, {x['filter']}, {x.get('bias')}, {geometry})"))
    if op == "batchNorm":
        norm = f"{x['runningMean']}, {x['runningVariance']}, {x['weight']}, {x['bias']}"
        return f"F.batch_norm({x['x']}, {norm}, self.training, 0.1, {a['epsilon']})"
    if op == "activate":
        return activated(f"{x['x']}.clone()" if shared else x["x"])
    if op == "add":
        return activated(f"{x['a']} + {x['b']}")
    if op == "concat":
        return f"torch.cat([{', '.join(x[name] for name in sorted(x))}], 1)"
    if op == "maxPool2d":
        geometry = f"{a['kernel']}, {a['stride']}, {a['padding']}"
        return f"F.max_pool2d({x['x']}, {geometry}, ceil_mode={bool(a['ceilMode'])})"
    if op == "adaptiveAveragePool2d":
        return f"F.adaptive_avg_pool2d({x['x']}, {size})"
    if op == "resizeBilinear":
        how = f"mode='bilinear', align_corners={bool(a['alignCorners'])}"
        return activated(plus_residual(f"F.interpolate({x['x']}, {size}, {how})"))
    if op == "spatialSoftmax":
        return f"spatial_softmax({x['logits']}, {a['scale']})"
    if op == "aggregateRegions":
        return f"aggregate_regions({x['regions']}, {x['features']})"
    if op == "attendRegions":
        return activated(f"attend_regions({x['query']}, {x['key']}, {x['value']}, {a['scale']})")
    raise SystemExit(f"no PyTorch for the operation {op}")
