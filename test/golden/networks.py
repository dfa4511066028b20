"""The segmentation networks of networks.json in plain PyTorch, with the parameter names of lib/models."""

import math

import numpy as np
import torch
from torch import nn

import contexts
import synthetic
from backbones import HRNet, MobileNetV2, ResNet

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


class Segmenter(nn.Module):
    def __init__(self, case):
        super().__init__()
        name, classes = case["model"], case["classes"]
        form = case.get("form")
        backbone = name.removeprefix("ocrnet-")
        self.family = backbone[:6]  # resnet, hrnet-, mobile
        own = case.get("backbone", {})
        head = case.get("context", {})
        self.openseg_resnet = form == "openseg" and self.family == "resnet"
        self.bgr = form == "openseg" and self.family != "mobile"
        align_corners = case.get("alignCorners", form is not None or self.family == "hrnet-")
        if self.family == "resnet":
            deep = own.get("stem", "deep" if self.openseg_resnet else "7x7") == "deep"
            ceil_mode = own.get("ceilMode", self.openseg_resnet)
            self.backbone = ResNet(backbone, own.get("outputStride", 8), deep, ceil_mode, own.get("multiGrid"))
        elif self.family == "hrnet-":
            self.backbone = HRNet(backbone, align_corners)
        else:
            self.backbone = MobileNetV2(own.get("widthMultiplier", 1), own.get("outputStride", 8))
        with torch.no_grad():
            intermediate, final = (x.shape[1] for x in self.backbone.eval()(torch.zeros(1, 3, 32, 32)))

        norm = {"epsilon": head.get("epsilon", 1e-5), "negativeSlope": head.get("negativeSlope", 0)}
        if form is None:
            if self.family == "hrnet-":
                hidden = contexts.conv_norm(final, final, 1, norm, bias=True)
                self.last_layer = nn.Sequential(*hidden, nn.Identity(), nn.Conv2d(final, classes, 1))
            else:
                hidden = contexts.conv_norm(final, final // 4, 3, norm)
                last = nn.Conv2d(final // 4, classes, 1)
                self.classifier = nn.Sequential(*hidden, nn.Identity(), nn.Identity(), last)
        else:
            channels = head.get("channels", 512)
            config = {
                **{"kind": "ocr", "form": form, "channels": channels, "keyChannels": head.get("keyChannels", 256)},
                **{"pixelConvolution": form != "paper" or self.family != "hrnet-", "supervision": "regions", **norm},
                "regionHeadChannels": head.get("regionHeadChannels", 512 if self.openseg_resnet else intermediate),
            }
            self.head = contexts.Head(config, intermediate, final, classes)

    def normalise(self, image):
        x = torch.from_numpy(image.astype(np.float64)).permute(0, 3, 1, 2)
        if self.bgr:
            x = x.flip(1)
        if self.openseg_resnet:
            return x - torch.tensor([102.9801, 115.9465, 122.7717], dtype=torch.float64).reshape(1, 3, 1, 1)
        mean, std = (torch.tensor(v, dtype=torch.float64).reshape(1, 3, 1, 1) for v in IMAGENET)
        return (x / 255 - mean) / std

    def dtype(self):
        return next(self.parameters()).dtype

    def forward(self, image):
        intermediate, final = self.backbone(self.normalise(image).to(self.dtype()))
        if hasattr(self, "last_layer"):
            return {"logits": self.last_layer(final)}
        if hasattr(self, "classifier"):
            return {"logits": self.classifier(final)}
        outputs = self.head(intermediate, final)
        return {name: outputs[name] for name in ("logits", "regionLogits", "regions")}


def official_name(key):
    """Of lib/models: there the head has no name of its own."""
    return contexts.parameter_name(key.removeprefix("head."))


def load(case):
    """A network with its synthetic weights."""
    model = Segmenter(case)
    state = {
        key: torch.from_numpy(synthetic.parameter(official_name(key), tuple(value.shape)))
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    model.load_state_dict(state, strict=False)
    return model


def run(case):
    """Outputs (N, h, w, K) of one case, computed in float64 from the synthetic weights; and the parameter count."""
    model = load(case).eval()
    count = sum(math.prod(p.shape) for p in model.parameters())
    image = synthetic.image(case["batch"], case["height"], case["width"])
    with torch.no_grad():
        outputs = model.double()(image)
    arrays = {name: value.permute(0, 2, 3, 1).contiguous().numpy() for name, value in outputs.items()}
    return arrays, count
