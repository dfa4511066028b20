"""Trains a network of this project in PyTorch and writes its weights in PyTorch's names and layout.

It interprets the graph that dump-graph.ts writes, so that the network exists once. Data: a folder with images/SPLIT and
labels/SPLIT as in CamVid, and optionally folders of the same form with more training pictures.

    tsx models/train/dump-graph.ts models/train/config.json GRAPH 256 256
    python3 models/train/train.py --graph GRAPH --data CAMVID [--more SCENES] --minutes 60 --out weights.safetensors
"""

import argparse
import json
import random
import struct
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance

IGNORE = 255


def read_safetensors(path):
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    start = 8 + length
    return {
        name: np.frombuffer(data[start + e["data_offsets"][0] : start + e["data_offsets"][1]], np.float32).reshape(e["shape"])
        for name, e in header.items()
    }


def write_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(t.shape), "data_offsets": [offset, offset + t.size * 2]}
        offset += t.size * 2
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = Path(str(path) + ".part")
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            file.write(t.astype(np.float16).tobytes())
    temporary.replace(path)


class Network(torch.nn.Module):
    """The graph's nodes, run one after the other in NCHW. One graph for each input size, one set of parameters."""

    def __init__(self, folder, start=None):
        super().__init__()
        files = Path(folder).glob("graph-*.json")
        self.graphs = {tuple(map(int, f.stem.split("-")[1].split("x"))): json.loads(f.read_text()) for f in files}
        self.config = next(iter(self.graphs.values()))["config"]
        initial = read_safetensors(start or Path(folder) / "initial.safetensors")
        for p in next(iter(self.graphs.values()))["parameters"]:
            tensor, key = torch.tensor(initial[p["name"]].copy()), p["name"].replace(".", "/")
            if p["trainable"]:
                self.register_parameter(key, torch.nn.Parameter(tensor))
            else:
                self.register_buffer(key, tensor)

    def forward(self, image):
        graph = self.graphs[tuple(image.shape[2:])]
        values = {graph["inputs"][0]: image}
        values.update({c["id"]: torch.tensor(c["values"]) for c in graph["constants"]})
        values.update({p["id"]: getattr(self, p["name"].replace(".", "/")) for p in graph["parameters"]})
        for node in graph["nodes"]:
            inputs = {k: values[v] for k, v in node["inputs"].items()}
            (output,) = node["outputs"].values()
            values[output] = getattr(self, node["op"])(node["attributes"], **inputs)
        return {name: values[id] for name, id in graph["outputs"].items()}

    def normalizeImage(self, attributes, /, image, scale, shift):
        return (image * scale[:, None, None] + shift[:, None, None]).contiguous(memory_format=torch.channels_last)

    def conv2d(self, attributes, /, x, filter, bias=None):
        return F.conv2d(x, filter, bias, attributes["stride"], attributes["padding"], attributes["dilation"], attributes["groups"])

    def batchNorm(self, attributes, /, x, weight, bias, runningMean, runningVariance):
        return F.batch_norm(x, runningMean, runningVariance, weight, bias, self.training, 0.05, attributes["epsilon"])

    def activate(self, attributes, /, x):
        return F.relu(x)

    def add(self, attributes, /, **terms):
        return terms["a"] + terms["b"]

    def concat(self, attributes, /, **parts):
        return torch.cat(list(parts.values()), 1)

    def resizeBilinear(self, attributes, /, x):
        return F.interpolate(x, (attributes["height"], attributes["width"]), mode="bilinear", align_corners=attributes["alignCorners"])

    def spatialSoftmax(self, attributes, /, logits):
        return torch.softmax(attributes["scale"] * logits.flatten(2), 2).view_as(logits)

    def aggregateRegions(self, attributes, /, regions, features):
        return (regions.flatten(2) @ features.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(3)

    def attendRegions(self, attributes, /, query, key, value):
        n, _, h, w = query.shape
        relation = torch.softmax(attributes["scale"] * query.flatten(2).transpose(1, 2) @ key.squeeze(3), 2)
        return (relation @ value.squeeze(3).transpose(1, 2)).transpose(1, 2).reshape(n, -1, h, w)


def load_split(folder, split):
    folder = Path(folder)
    names = sorted(p.stem for p in (folder / "images" / split).iterdir())
    suffix = next((folder / "images" / split).iterdir()).suffix
    images = [Image.open(folder / "images" / split / (n + suffix)).convert("RGB") for n in names]
    labels = [Image.fromarray(np.array(Image.open(folder / "labels" / split / (n + ".png")))) for n in names]
    return list(zip(images, labels))


def augment(image, label, crop, rng, classes):
    scale = 2 ** rng.uniform(-0.8, 0.9)
    size = (max(crop, round(image.width * scale)), max(crop, round(image.height * scale)))
    image, label = image.resize(size, Image.BILINEAR), label.resize(size, Image.NEAREST)
    x, y = rng.randint(0, size[0] - crop), rng.randint(0, size[1] - crop)
    image, label = (i.crop((x, y, x + crop, y + crop)) for i in (image, label))
    if rng.random() < 0.5:
        image, label = (i.transpose(Image.FLIP_LEFT_RIGHT) for i in (image, label))
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(rng.uniform(0.7, 1.35))
    target = np.array(label, np.int64)
    target[target >= classes] = IGNORE
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float(), torch.from_numpy(target)


def evaluate(net, data, classes):
    net.eval()
    confusion = torch.zeros(classes, classes)
    with torch.no_grad():
        for image, label in data:
            x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()[None]
            logits = F.interpolate(net(x)["logits"], x.shape[2:], mode="bilinear", align_corners=True)
            target = torch.from_numpy(np.array(label, np.int64))
            valid = target < classes
            index = target[valid] * classes + logits[0].argmax(0)[valid]
            confusion += torch.bincount(index, minlength=classes * classes).view(classes, classes)
    net.train()
    iou = confusion.diag() / (confusion.sum(0) + confusion.sum(1) - confusion.diag()).clamp(min=1)
    return iou.mean().item(), (confusion.diag().sum() / confusion.sum()).item(), iou.tolist()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--graph", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--more", nargs="*", default=[])
    parser.add_argument("--minutes", type=float, required=True, help="of processor time, all threads counted")
    parser.add_argument("--out", required=True)
    parser.add_argument("--start")
    parser.add_argument("--classes-file", help="JSON list of {name, colour}")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=256)
    args = parser.parse_args()
    torch.manual_seed(1)
    rng = random.Random(1)
    net = Network(args.graph, args.start).to(memory_format=torch.channels_last)
    average = {k: v.clone() for k, v in net.state_dict().items()}
    classes = net.config["classes"]
    train, val = load_split(args.data, "train"), load_split(args.data, "val")
    more = [pair for folder in args.more for pair in load_split(folder, "train")]
    counts = sum(np.bincount(np.array(label).ravel(), minlength=256)[:classes] for _, label in train)
    weights = torch.tensor(1 / np.log(1.1 + counts / counts.sum()), dtype=torch.float32)
    weights /= weights.mean()
    decayed = [p for p in net.parameters() if p.dim() > 1]
    plain = [p for p in net.parameters() if p.dim() <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0}], args.lr)
    described = {"version": 1, "model": net.config}
    if args.classes_file:
        described["classes"] = json.loads(Path(args.classes_file).read_text())

    def save():
        names = {p["name"]: average[p["name"].replace(".", "/")] for p in next(iter(net.graphs.values()))["parameters"]}
        write_safetensors(args.out, {k: v.contiguous().numpy() for k, v in names.items()}, {"ocrnet": json.dumps(described)})

    # Processor time counts: a process that waits for others loses nothing of its schedule.
    step, losses, next_eval = 0, [], 0.15
    while (progress := time.process_time() / (60 * args.minutes)) < 1:
        warm = min(1, (step + 1) / 100)
        for group in optimiser.param_groups:
            group["lr"] = args.lr * warm * (1 - progress) ** 0.9
        pool = [train[rng.randrange(len(train))] if not more or rng.random() < 0.75 else more[rng.randrange(len(more))] for _ in range(args.batch)]
        batch = [augment(*pair, args.crop, rng, classes) for pair in pool]
        x, target = torch.stack([b[0] for b in batch]), torch.stack([b[1] for b in batch])
        outputs = net(x)
        loss = sum(
            factor * F.cross_entropy(F.interpolate(outputs[name], x.shape[2:], mode="bilinear", align_corners=True), target, weights, ignore_index=IGNORE)
            for name, factor in (("logits", 1), ("regionLogits", 0.4))
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        step += 1
        losses.append(loss.item())
        keep = min(0.995, step / (step + 20))
        for k, v in net.state_dict().items():
            average[k].mul_(keep).add_(v, alpha=1 - keep)
        if step % 20 == 0:
            print(f"step {step} loss {np.mean(losses[-20:]):.4f} {time.process_time():.0f} s", flush=True)
        if progress > next_eval:
            next_eval += 0.15
            evaluate_average(net, average, val[::5], classes, step)
            save()
    evaluate_average(net, average, val, classes, step)
    save()


def evaluate_average(net, average, val, classes, step):
    current = {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(average)
    miou, accuracy, iou = evaluate(net, val, classes)
    net.load_state_dict(current)
    print(f"step {step} mIoU {miou:.4f} pixel accuracy {accuracy:.4f} per class {[round(i, 3) for i in iou]}", flush=True)


if __name__ == "__main__":
    main()
