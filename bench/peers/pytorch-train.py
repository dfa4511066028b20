"""Trains a network of this project in PyTorch, one step for each line that comes in, and says how long each took.

    python3 bench/peers/pytorch-train.py GRAPH.json WEIGHTS.safetensors BATCH HEIGHT WIDTH CLASSES --threads N

The graph is what bench/describe-graph.ts writes, run node by node. It is PyTorch as its users run it on a CPU: tensors in
channels_last, so that convolutions are oneDNN's, activations in place, and nothing held that autograd does not keep. A step
is the forward pass in training mode, cross-entropy of both heads on logits resized to the labels' size, the backward pass
and torch.optim.SGD. The first line that goes out describes the peer; each line "step" that comes in is answered by
{"ms", "cpuMs", "loss", "peakResidentBytes"}. The end of the input ends it.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from peer import noise, read_safetensors, say

IGNORE = 255
LOSS_WEIGHTS = {"logits": 1, "auxiliaryLogits": 0.4}


def activated(y, attributes):
    """In place: whatever made y, autograd keeps at most the result of the activation."""
    activation = attributes.get("activation", "none")
    if activation == "relu":
        return F.relu_(y)
    if activation == "relu6":
        return F.hardtanh_(y, 0, 6)
    return F.leaky_relu_(y, attributes["negativeSlope"]) if activation == "leakyRelu" else y


class Network(torch.nn.Module):
    """The nodes of a graph, in NCHW with channels last in memory."""

    def __init__(self, graph, weights):
        super().__init__()
        self.graph = graph
        stored = {p["name"]: p for p in graph["parameters"]}
        for name, tensor in read_safetensors(weights):
            if tensor.dim() == 4:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            if stored[name]["trainable"]:
                self.register_parameter(name.replace(".", "/"), torch.nn.Parameter(tensor))
            else:
                self.register_buffer(name.replace(".", "/"), tensor)
        self.constants = {c["id"]: torch.tensor(c["values"]) for c in graph["constants"]}
        # A value is let go after its last reader, and an activation overwrites what nobody else reads.
        self.readers, self.last_uses = {}, [[] for _ in graph["nodes"]]
        last = {}
        for i, node in enumerate(graph["nodes"]):
            for value in node["inputs"].values():
                self.readers[value] = self.readers.get(value, 0) + 1
                last[value] = i
        for value, i in last.items():
            if value not in graph["outputs"].values():
                self.last_uses[i].append(value)

    def forward(self, image):
        graph = self.graph
        values = {graph["inputs"][0]: image, **self.constants}
        values.update({p["id"]: getattr(self, p["name"].replace(".", "/")) for p in graph["parameters"]})
        for node, unused in zip(graph["nodes"], self.last_uses):
            inputs = {name: values[value] for name, value in node["inputs"].items()}
            if node["op"] == "activate":
                inputs["shared"] = self.readers[node["inputs"]["x"]] > 1
            (output,) = node["outputs"].values()
            values[output] = getattr(self, node["op"])(node["attributes"], **inputs)
            del inputs
            for value in unused:
                del values[value]
        return {name: values[value] for name, value in graph["outputs"].items()}

    def normalizeImage(self, attributes, /, image, scale, shift):
        seen = image.flip(1) if attributes["reverseChannels"] else image
        return (seen * scale[:, None, None] + shift[:, None, None]).contiguous(memory_format=torch.channels_last)

    def conv2d(self, attributes, /, x, filter, bias=None, residual=None):
        a = attributes
        y = F.conv2d(x, filter, bias, a["stride"], a["padding"], a["dilation"], a["groups"])
        return activated(y if residual is None else y + residual, a)

    def batchNorm(self, attributes, /, x, weight, bias, runningMean, runningVariance):
        return F.batch_norm(x, runningMean, runningVariance, weight, bias, True, 0.1, attributes["epsilon"])

    def activate(self, attributes, /, x, shared):
        return activated(x.clone() if shared else x, attributes)

    def add(self, attributes, /, a, b):
        return activated(a + b, attributes)

    def concat(self, attributes, /, **parts):
        return torch.cat([parts[name] for name in sorted(parts)], 1)

    def maxPool2d(self, attributes, /, x):
        a = attributes
        return F.max_pool2d(x, a["kernel"], a["stride"], a["padding"], ceil_mode=a["ceilMode"])

    def adaptiveAveragePool2d(self, attributes, /, x):
        return F.adaptive_avg_pool2d(x, (attributes["height"], attributes["width"]))

    def resizeBilinear(self, attributes, /, x, residual=None):
        size, corners = (attributes["height"], attributes["width"]), attributes["alignCorners"]
        y = F.interpolate(x, size, mode="bilinear", align_corners=corners)
        return activated(y if residual is None else y + residual, attributes)

    def spatialSoftmax(self, attributes, /, logits):
        return torch.softmax(attributes["scale"] * logits.flatten(2), 2).view_as(logits)

    def aggregateRegions(self, attributes, /, regions, features):
        return (regions.flatten(2) @ features.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(3)

    def attendRegions(self, attributes, /, query, key, value):
        n, _, h, w = query.shape
        relation = torch.softmax(attributes["scale"] * query.flatten(2).transpose(1, 2) @ key.squeeze(3), 2)
        mixed = (relation @ value.squeeze(3).transpose(1, 2)).view(n, h, w, -1)
        # Pixels by channels is channels_last already.
        return activated(mixed.permute(0, 3, 1, 2), attributes)


def synthetic_batch(batch, height, width, classes):
    """Pictures and labels that bench/train.ts makes with the same bits, one pixel in sixteen ignored."""
    count = batch * height * width

    image = (noise(0, count * 3, 1) >> np.uint32(24)).astype(np.float32).reshape(batch, height, width, 3)
    words = noise(0, count, 2)
    labels = (words >> np.uint32(8)) % np.uint32(classes)
    labels[words % np.uint32(16) == 0] = IGNORE
    target = torch.from_numpy(labels.astype(np.int64).reshape(batch, height, width))
    return torch.from_numpy(image).permute(0, 3, 1, 2), target


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("graph")
    parser.add_argument("weights")
    for name in ("batch", "height", "width", "classes"):
        parser.add_argument(name, type=int)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--align-corners", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with open(args.graph) as file:
        network = Network(json.load(file), args.weights)
    optimiser = torch.optim.SGD(network.parameters(), args.learning_rate, momentum=0.9, weight_decay=0.0005)
    image, target = synthetic_batch(args.batch, args.height, args.width, args.classes)

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss = 0
        for name, logits in network(image).items():
            corners = bool(args.align_corners)
            resized = F.interpolate(logits, target.shape[1:], mode="bilinear", align_corners=corners)
            loss = loss + LOSS_WEIGHTS[name] * F.cross_entropy(resized, target, ignore_index=IGNORE)
        loss.backward()
        optimiser.step()
        return loss.item()

    parameters = sum(p.numel() for p in network.parameters())
    say({"peer": f"PyTorch {torch.__version__}", "threads": torch.get_num_threads(), "parameters": parameters})
    for line in sys.stdin:
        if line.strip() != "step":
            raise SystemExit(f"expected the line step, received {line!r}")
        start, start_cpu = time.perf_counter(), time.process_time()
        loss = step()
        elapsed, cpu = (time.perf_counter() - start) * 1000, (time.process_time() - start_cpu) * 1000
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        say({"ms": elapsed, "cpuMs": cpu, "loss": loss, "peakResidentBytes": peak})


if __name__ == "__main__":
    main()
