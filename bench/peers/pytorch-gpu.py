"""PyTorch on a GPU, as its users run it there, which answers line by line: bench/gpu/pytorch.ts asks.

    python3 bench/peers/pytorch-gpu.py cuda|cpu

Tensors are in channels_last and cudnn.benchmark is on. In bfloat16 modules and inputs are bfloat16, without autocast; in
float32 PyTorch's defaults hold (convolutions in TF32, matrix products not). Modes: eager; graphed, captured into a CUDA graph,
which leaves the kernels' own time; compiled, by torch.compile. Work in inference runs in inference mode.

    open JSON    loads a work and runs it once: {}
    run N        N times without a pause: {"ms": [...]}, between events of the GPU
    facts        {"peakBytes"}
    save FILE    {} when the result is in the file, (N, H, W, C) in float32; of training, the loss of the first step
    drop         lets go of the work: {}
"""

import gc
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from graph_network import GraphNetwork, aggregate_regions, attend_regions, spatial_softmax
from peer import noise, read_safetensors, say

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test" / "golden"))
from contexts import module  # noqa: E402

IGNORE = 255
LOSS_WEIGHTS = {"logits": 1, "auxiliaryLogits": 0.4}
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def synthetic_input(shape, index, dtype):
    """(N, C, H, W) in channels_last: numbers in [-1, 1) by the place of each in (N, H, W, C). bfloat16 is cut, not rounded."""
    n, h, w, c = shape
    values = np.empty(n * h * w * c, np.float32)
    piece = 1 << 20
    for first in range(0, values.size, piece):
        words = noise(first, min(first + piece, values.size), index) >> np.uint32(8)
        values[first : first + piece] = words.astype(np.float32) * np.float32(2**-23) - 1
    if dtype == torch.bfloat16:
        values = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    return torch.from_numpy(values.reshape(n, h, w, c)).to(dtype).permute(0, 3, 1, 2)


def synthetic_pictures(o):
    count = o["batch"] * o["height"] * o["width"] * 3
    bytes_ = (noise(0, count, 1) >> np.uint32(24)).astype(np.uint8)
    return torch.from_numpy(bytes_.reshape(o["batch"], o["height"], o["width"], 3)).permute(0, 3, 1, 2)


def synthetic_labels(o):
    words = noise(0, o["batch"] * o["height"] * o["width"], 2)
    labels = (words >> np.uint32(8)) % np.uint32(o["classes"])
    labels[words % np.uint32(16) == 0] = IGNORE
    return torch.from_numpy(labels.astype(np.int64).reshape(o["batch"], o["height"], o["width"]))


class Module:
    """A context module of the paper."""

    def __init__(self, o, device, dtype):
        shape = (o["batch"], o["height"], o["width"])
        depths = [o["channels"], o["classes"]][: o["inputs"]]
        self.inputs = [synthetic_input((*shape, c), i, dtype).to(device) for i, c in enumerate(depths)]
        network = module(o["config"], o["channels"], o["classes"]).eval()
        missing, unexpected = network.load_state_dict(dict(read_safetensors(o["weights"])), strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise SystemExit(f"the weights do not fit: missing {missing}, unexpected {unexpected}")
        self.function = network.to(device, dtype).to(memory_format=torch.channels_last)

    def __call__(self):
        return self.function(*self.inputs)


def gather(logits, features):
    return aggregate_regions(spatial_softmax(logits, 1), features)


def attend(query, key, value):
    return attend_regions(query, key, value, query.shape[1] ** -0.5)


class Operation:
    """Copies of an operation take turns, so that none finds its inputs in the L2."""

    def __init__(self, o, device, dtype):
        count = len(o["inputs"])
        self.copies = [
            [synthetic_input(s, copy * count + i, dtype).to(device) for i, s in enumerate(o["inputs"])]
            for copy in range(o["copies"])
        ]
        self.function = {"gather": gather, "attend": attend}[o["operation"]]
        self.parts = o["copies"]

    def __call__(self):
        return [self.function(*inputs) for inputs in self.copies]


def load_network(o, device, dtype):
    with open(o["graph"]) as file:
        network = GraphNetwork(json.load(file), dict(read_safetensors(o["weights"])))
    return network.to(device, dtype).to(memory_format=torch.channels_last)


class Inference:
    """A whole network, from picture bytes to class scores."""

    def __init__(self, o, device, dtype):
        self.function = load_network(o, device, dtype).eval()
        self.image = synthetic_pictures(o).to(device)

    def __call__(self):
        return self.function(self.image)["logits"]


class Training:
    """Forward, cross-entropy of both heads at the labels' size, backward, SGD."""

    def __init__(self, o, device, dtype):
        self.function = load_network(o, device, dtype).train()
        self.image, self.labels = synthetic_pictures(o).to(device), synthetic_labels(o).to(device)
        self.corners = bool(o["alignCorners"])
        learning = {"momentum": o["momentum"], "weight_decay": o["weightDecay"]}
        self.optimiser = torch.optim.SGD(self.function.parameters(), o["learningRate"], **learning)

    def __call__(self):
        self.optimiser.zero_grad(set_to_none=True)
        loss = 0
        for name, logits in self.function(self.image).items():
            size = self.labels.shape[1:]
            resized = F.interpolate(logits.float(), size, mode="bilinear", align_corners=self.corners)
            loss = loss + LOSS_WEIGHTS[name] * F.cross_entropy(resized, self.labels, ignore_index=IGNORE)
        loss.backward()
        self.optimiser.step()
        return loss.detach()


WORKS = {"module": Module, "operation": Operation, "network": Inference, "training": Training}


class HostClock:
    """Times where there is no GPU."""

    def __init__(self):
        self.marks = [time.perf_counter()]

    def mark(self):
        self.marks.append(time.perf_counter())

    def read(self):
        return [(b - a) * 1000 for a, b in zip(self.marks, self.marks[1:])]


class GpuClock:
    def __init__(self):
        self.events = []
        self.mark()

    def mark(self):
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self.events.append(event)

    def read(self):
        torch.cuda.synchronize()
        return [a.elapsed_time(b) for a, b in zip(self.events, self.events[1:])]


class Server:
    def __init__(self, device):
        self.device = device
        self.on_gpu = device == "cuda"
        self.clock = GpuClock if self.on_gpu else HostClock
        self.drop()

    def about(self):
        gpu = torch.cuda.get_device_name() if self.on_gpu else "none"
        cudnn = f", cuDNN {torch.backends.cudnn.version()}" if self.on_gpu else ""
        return {"peer": f"PyTorch {torch.__version__}{cudnn}", "gpu": gpu, "ceilings": self.ceilings()}

    def ceilings(self):
        """What a large matrix product in bfloat16 and a large copy reach here."""
        side, count = (8192, 1 << 31) if self.on_gpu else (256, 1 << 20)
        a, b = (torch.randn(side, side, device=self.device).to(torch.bfloat16) for _ in range(2))
        product = min(self.times(lambda: a @ b, 10))
        source = torch.empty(count, dtype=torch.uint8, device=self.device).random_()
        target = torch.empty_like(source)
        copy = min(self.times(lambda: target.copy_(source), 10))
        return {"flopsPerSecond": 2000 * side**3 / product, "bytesPerSecond": 2000 * count / copy}

    def times(self, call, count):
        call()
        clock = self.clock()
        for _ in range(count):
            call()
            clock.mark()
        return clock.read()

    def open(self, text):
        o = json.loads(text)
        self.drop()
        self.trains = o["kind"] == "training"
        work = WORKS[o["kind"]](o, self.device, TYPES[o["precision"]])
        if o["mode"] == "compiled":
            work.function = torch.compile(work.function)
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        self.parts = getattr(work, "parts", 1)
        with self.inference():
            self.result = work()
            # cudnn.benchmark and the compiler have done their part; a captured graph also wants the memory settled.
            for _ in range(2):
                work()
            self.call = self.captured(work) if o["mode"] == "graphed" else work
        return {}

    def inference(self):
        return torch.inference_mode(not self.trains)

    def captured(self, work):
        if not self.on_gpu:
            return work
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.result = work()
        self.work = work
        return graph.replay

    def run(self, count):
        with self.inference():
            clock = self.clock()
            for _ in range(int(count)):
                self.call()
                clock.mark()
            return {"ms": [ms / self.parts for ms in clock.read()]}

    def facts(self):
        return {"peakBytes": torch.cuda.max_memory_allocated() if self.on_gpu else 0}

    def save(self, file):
        result = self.result[0] if isinstance(self.result, list) else self.result
        ours = result.permute(0, 2, 3, 1) if result.dim() == 4 else result
        np.ascontiguousarray(ours.float().cpu().numpy()).tofile(file)
        return {}

    def drop(self):
        self.call = self.work = self.result = None
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()
        return {}


def main():
    (device,) = sys.argv[1:]
    torch.backends.cudnn.benchmark = True
    server = Server(device)
    say(server.about())
    for line in sys.stdin:
        command, _, operand = line.strip().partition(" ")
        if command not in ("open", "run", "facts", "save", "drop"):
            raise SystemExit(f"received {line!r}")
        say(getattr(server, command)(*([operand] if operand else [])))


if __name__ == "__main__":
    main()
