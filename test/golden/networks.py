"""The segmentation networks of networks.json in plain PyTorch, with the parameter names of lib/models."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import synthetic
from backbones import HRNet, MobileNetV2, ResNet

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def conv_bn_act(inputs, outputs, kernel, bias, leaky=False):
    activation = nn.LeakyReLU(0.01) if leaky else nn.ReLU()
    return [nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=bias), nn.BatchNorm2d(outputs), activation]


class Numbered(nn.Module):
    """Layers under given indices, as a Sequential has them once activations and dropout are counted or not."""

    def __init__(self, **layers):
        super().__init__()
        self.order = [name[1:] for name in layers]
        for name, layer in layers.items():
            self.add_module(name[1:], layer)

    def forward(self, x):
        for name in self.order:
            x = self._modules[name](x)
        return x


def stacked(inputs, outputs, bias, layers, leaky):
    """1×1 convolution, BN, activation, `layers` times; the parameters are numbered without the activations."""
    result = {}
    for layer in range(layers):
        conv, norm, activation = conv_bn_act(inputs if layer == 0 else outputs, outputs, 1, bias, leaky)
        result[f"_{2 * layer}"] = conv
        result[f"_{2 * layer + 1}"] = nn.Sequential(norm, activation)
    return result


class ObjectContext(nn.Module):
    """The paper's section 3.2 on features x (N, C, H, W) and region logits (N, K, H, W)."""

    def __init__(self, inputs, form, leaky, channels, key_channels):
        super().__init__()
        self.form = form
        self.key_channels = key_channels
        published = form != "paper"
        bias = form == "openseg"
        layers = 2 if published else 1
        block = nn.Module()
        block.f_pixel = Numbered(**stacked(inputs, key_channels, bias, layers, leaky))
        block.f_object = Numbered(**stacked(inputs, key_channels, bias, layers, leaky))
        block.f_down = Numbered(**stacked(inputs, key_channels, bias, 1, leaky))
        block.f_up = Numbered(**stacked(key_channels, channels, bias, 1, leaky))
        self.object_context_block = block
        self.conv_bn_dropout = nn.Sequential(*conv_bn_act(inputs + channels, channels, 1, bias, leaky))

    def forward(self, x, region_logits):
        n, c, h, w = x.shape
        k = region_logits.shape[1]
        block = self.object_context_block
        regions = region_logits.reshape(n, k, h * w).softmax(dim=2)
        objects = torch.einsum("nki,nci->nck", regions, x.reshape(n, c, h * w)).unsqueeze(3)
        query = block.f_pixel(x).reshape(n, -1, h * w)
        key = block.f_object(objects).squeeze(3)
        value = block.f_down(objects).squeeze(3)
        relation = torch.einsum("ndi,ndk->nik", query, key)
        if self.form != "paper":
            relation = relation * self.key_channels**-0.5
        attended = torch.einsum("nik,nck->nci", relation.softmax(dim=2), value)
        context = block.f_up(attended.reshape(n, -1, h, w))
        joint = [x, context] if self.form == "paper" else [context, x]
        return self.conv_bn_dropout(torch.cat(joint, 1)), regions.reshape(n, k, h, w)


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

        if form is None:
            if self.family == "hrnet-":
                self.last_layer = nn.Sequential(*conv_bn_act(final, final, 1, True), nn.Conv2d(final, classes, 1))
            else:
                hidden = conv_bn_act(final, final // 4, 3, False)
                self.classifier = nn.Sequential(*hidden, nn.Dropout(0.1), nn.Conv2d(final // 4, classes, 1))
        else:
            leaky = head.get("negativeSlope", 0) == 0.01
            channels = head.get("channels", 512)
            if form == "paper":
                self.aux_head = nn.Conv2d(intermediate, classes, 1)
            else:
                hidden = head.get("regionHeadChannels", 512 if self.openseg_resnet else intermediate)
                kernel = 3 if form == "openseg" else 1
                first = conv_bn_act(intermediate, hidden, kernel, True, leaky)
                self.aux_head = nn.Sequential(*first, nn.Conv2d(hidden, classes, 1))
            if form != "paper" or self.family != "hrnet-":
                self.conv3x3_ocr = nn.Sequential(*conv_bn_act(final, channels, 3, form != "paper", leaky))
                final = channels
            self.ocr_distri_head = ObjectContext(final, form, leaky, channels, head.get("keyChannels", 256))
            self.cls_head = nn.Conv2d(channels, classes, 1)
        for path, module in self.named_modules():
            if isinstance(module, nn.BatchNorm2d) and not path.startswith("backbone"):
                module.eps = head.get("epsilon", 1e-5)

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
        region_logits = self.aux_head(intermediate)
        x = self.conv3x3_ocr(final) if hasattr(self, "conv3x3_ocr") else final
        augmented, regions = self.ocr_distri_head(x, region_logits)
        return {"logits": self.cls_head(augmented), "regionLogits": region_logits, "regions": regions}


def official_name(key):
    """Numbered wraps a BN with its activation in a Sequential: x.1.0.weight is x.1.weight."""
    parts = key.split(".")
    if "object_context_block" in parts and len(parts) > 3 and parts[-2] == "0" and parts[-3] in "13":
        del parts[-2]
    return ".".join(parts)


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
