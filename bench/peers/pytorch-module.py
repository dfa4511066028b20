"""A context module of the paper in PyTorch, which answers what is asked line by line: bench/contexts/side.ts says what.

    python3 bench/peers/pytorch-module.py '{"config", "inputs", "batch", "height", "width", "channels", "classes", "weights",
        "threads"}'

The module is that of test/golden/contexts.py with the weights of a safetensors file, in inference mode, on the inputs of
bench/contexts/synthetic.ts.
"""

import gc
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from peer import noise, read_safetensors, say

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test" / "golden"))
from contexts import module  # noqa: E402


def synthetic_input(shape, index):
    """(N, C, H, W), made in pieces: numbers in [-1, 1) by the place of each in (N, H, W, C)."""
    n, c, h, w = shape
    values = np.empty(n * h * w * c, np.float32)
    piece = 1 << 20
    for first in range(0, values.size, piece):
        words = noise(first, min(first + piece, values.size), index) >> np.uint32(8)
        values[first : first + piece] = words.astype(np.float32) * np.float32(2**-23) - 1
    return torch.from_numpy(values.reshape(n, h, w, c)).permute(0, 3, 1, 2)


def resident(name):
    """Bytes of VmRSS (now) or VmHWM (at most)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def available():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))


def refuse_what_does_not_fit():
    """A map of all pixels to all pixels may take more than there is: an error is better than the end of the machine."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limit = used + int(0.75 * available())
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Side:
    def __init__(self, config, classes, weights, inputs):
        self.inputs = inputs
        self.result = None
        self.module = module(config, inputs[0].shape[1], classes).eval()
        missing, unexpected = self.module.load_state_dict(weights, strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise SystemExit(f"the weights do not fit: missing {missing}, unexpected {unexpected}")

    def layout(self, name):
        self.memory_format = LAYOUTS[name]
        self.module = self.module.to(memory_format=self.memory_format)
        self.inputs = [x.contiguous(memory_format=self.memory_format) for x in self.inputs]
        return {}

    def run(self):
        self.result = None
        with torch.inference_mode():
            start = time.perf_counter()
            self.result = self.module(*self.inputs)
            return {"ms": (time.perf_counter() - start) * 1000}

    def measure(self):
        """What a process holds once, such as code and threads, is there before the run at full size."""
        whole = self.inputs
        self.inputs = [x[:, :, :8, :8].contiguous(memory_format=self.memory_format) for x in whole]
        self.run()
        self.inputs, self.result = whole, None
        gc.collect()
        forget_peak()
        before = resident("VmRSS")
        self.run()
        peak = resident("VmHWM")
        return {"measuredBytes": peak - before, "residentBytes": peak}

    def save(self, file):
        np.ascontiguousarray(self.result.permute(0, 2, 3, 1).numpy()).tofile(file)
        return {}


def main():
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    refuse_what_does_not_fit()
    n, h, w = options["batch"], options["height"], options["width"]
    depths = [options["channels"], options["classes"]][: options["inputs"]]
    inputs = [synthetic_input((n, depth, h, w), i) for i, depth in enumerate(depths)]
    weights = dict(read_safetensors(options["weights"]))
    side = Side(options["config"], options["classes"], weights, inputs)
    del inputs, weights
    say({"peer": f"PyTorch {torch.__version__}"})
    for line in sys.stdin:
        command, *operands = line.split()
        if command not in ("layout", "measure", "run", "save"):
            raise SystemExit(f"received {line!r}")
        say(getattr(side, command)(*operands))


if __name__ == "__main__":
    main()
