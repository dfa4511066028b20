"""A context module of the paper in PyTorch, which answers what is asked line by line: bench/contexts/side.ts says what.

    python3 bench/peers/pytorch-module.py '{"config", "inputs", "batch", "height", "width", "channels", "classes", "weights",
        "device", "threads"}'

The module is that of test/golden/contexts.py with the weights of a safetensors file, in inference mode, on the inputs of
bench/contexts/synthetic.ts. On a GPU products are of float32, not TF32, as ours are, and cuDNN tries its algorithms.
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


class Processor:
    """Memory is the process's."""

    def __init__(self, threads):
        torch.set_num_threads(threads)
        refuse_what_does_not_fit()

    def place(self, what):
        return what

    def sample(self, x):
        return x[:, :, :8, :8]

    def time(self, work):
        start = time.perf_counter()
        result = work()
        return result, (time.perf_counter() - start) * 1000

    def growth(self, work):
        gc.collect()
        forget_peak()
        before = resident("VmRSS")
        work()
        peak = resident("VmHWM")
        return {"measuredBytes": peak - before, "residentBytes": peak}


class Gpu:
    """Time is by the GPU's clock, memory that of PyTorch's allocator."""

    def __init__(self):
        if not torch.cuda.is_available():
            raise SystemExit("PyTorch sees no GPU")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True

    def place(self, what):
        return what.to("cuda")

    def sample(self, x):
        """All of it: cuDNN tries its algorithms on each size, in memory that is not the module's."""
        return x

    def time(self, work):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        result = work()
        end.record()
        end.synchronize()
        return result, start.elapsed_time(end)

    def growth(self, work):
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        free, total = torch.cuda.mem_get_info()
        return {"measuredBytes": torch.cuda.max_memory_allocated() - before, "residentBytes": total - free}


def refuse_what_does_not_fit():
    """A map of all pixels to all pixels may take more than there is: an error is better than the end of the machine."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limit = used + int(0.75 * available())
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Side:
    def __init__(self, processor, config, classes, weights, inputs):
        self.processor = processor
        self.inputs = [processor.place(x) for x in inputs]
        self.result = None
        self.module = module(config, inputs[0].shape[1], classes).eval()
        missing, unexpected = self.module.load_state_dict(weights, strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise SystemExit(f"the weights do not fit: missing {missing}, unexpected {unexpected}")
        self.module = processor.place(self.module)

    def layout(self, name):
        self.memory_format = LAYOUTS[name]
        self.module = self.module.to(memory_format=self.memory_format)
        self.inputs = [x.contiguous(memory_format=self.memory_format) for x in self.inputs]
        return {}

    def run(self):
        self.result = None
        with torch.inference_mode():
            self.result, ms = self.processor.time(lambda: self.module(*self.inputs))
            return {"ms": ms}

    def measure(self):
        """What is held once, such as code and threads, is there before the run that counts."""
        whole = self.inputs
        self.inputs = [self.processor.sample(x).contiguous(memory_format=self.memory_format) for x in whole]
        self.run()
        self.inputs, self.result = whole, None
        return self.processor.growth(self.run)

    def save(self, file):
        np.ascontiguousarray(self.result.permute(0, 2, 3, 1).cpu().numpy()).tofile(file)
        return {}


def main():
    options = json.loads(sys.argv[1])
    processor = Gpu() if options["device"] == "cuda" else Processor(options["threads"])
    n, h, w = options["batch"], options["height"], options["width"]
    depths = [options["channels"], options["classes"]][: options["inputs"]]
    inputs = [synthetic_input((n, depth, h, w), i) for i, depth in enumerate(depths)]
    weights = dict(read_safetensors(options["weights"]))
    side = Side(processor, options["config"], options["classes"], weights, inputs)
    del inputs, weights
    say({"peer": f"PyTorch {torch.__version__}"})
    for line in sys.stdin:
        command, *operands = line.split()
        if command not in ("layout", "measure", "run", "save"):
            raise SystemExit(f"received {line!r}")
        say(getattr(side, command)(*operands))


if __name__ == "__main__":
    main()
