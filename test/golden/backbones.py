"""Backbones in plain PyTorch: torchvision's ResNet and MobileNetV2, and HRNet written from its published layout.

Each returns (intermediate, final) feature maps.
"""

from collections import OrderedDict

import torch
import torchvision
from torch import nn
from torch.nn import functional as F


class ResNet(nn.Module):
    DEPTHS = {
        "resnet18": ("BasicBlock", [2, 2, 2, 2]),
        "resnet34": ("BasicBlock", [3, 4, 6, 3]),
        "resnet50": ("Bottleneck", [3, 4, 6, 3]),
        "resnet101": ("Bottleneck", [3, 4, 23, 3]),
        "resnet152": ("Bottleneck", [3, 8, 36, 3]),
    }

    def __init__(self, name, output_stride, deep_stem, ceil_mode, multi_grid):
        super().__init__()
        block_name, blocks = self.DEPTHS[name]
        block = getattr(torchvision.models.resnet, block_name)
        bottleneck = block_name == "Bottleneck"
        dilated = [False, output_stride <= 8, output_stride <= 16]
        net = torchvision.models.ResNet(
            block, blocks, replace_stride_with_dilation=dilated if bottleneck else None
        )
        if deep_stem:
            self.resinit = nn.Sequential(
                OrderedDict(
                    conv1=nn.Conv2d(3, 64, 3, 2, 1, bias=False),
                    bn1=nn.BatchNorm2d(64),
                    relu1=nn.ReLU(),
                    conv2=nn.Conv2d(64, 64, 3, 1, 1, bias=False),
                    bn2=nn.BatchNorm2d(64),
                    relu2=nn.ReLU(),
                    conv3=nn.Conv2d(64, 128, 3, 1, 1, bias=False),
                    bn3=nn.BatchNorm2d(128),
                    relu3=nn.ReLU(),
                )
            )
            net.inplanes, net.dilation = 128, 1
            net.layer1 = net._make_layer(block, 64, blocks[0])
        else:
            self.conv1, self.bn1 = net.conv1, net.bn1
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=ceil_mode)
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        if not bottleneck:
            # torchvision has no dilated basic blocks; the OCR authors dilate them convolution by convolution.
            dilation = 1
            for layer, active in zip((self.layer3, self.layer4), dilated[1:]):
                if active:
                    dilation *= 2
                    for module in layer.modules():
                        if isinstance(module, nn.Conv2d):
                            self.dilate(module, dilation)
        for layer_block, factor in zip(self.layer4, multi_grid or []):
            for module in layer_block.modules():
                if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                    module.dilation = tuple(d * factor for d in module.dilation)
                    module.padding = module.dilation

    @staticmethod
    def dilate(conv, dilation):
        own = dilation // 2 if conv.stride == (2, 2) else dilation
        conv.stride = (1, 1)
        if conv.kernel_size == (3, 3):
            conv.dilation = conv.padding = (own, own)

    def forward(self, x):
        x = self.resinit(x) if hasattr(self, "resinit") else F.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(self.maxpool(x)))
        intermediate = self.layer3(x)
        return intermediate, self.layer4(intermediate)


class MobileNetV2(nn.Module):
    def __init__(self, width, output_stride):
        super().__init__()
        self.features = torchvision.models.mobilenet_v2(width_mult=width).features
        stride, dilation = 1, 1
        for feature in self.features:
            depthwise = [m for m in feature.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
            for conv in depthwise:
                before = dilation
                if conv.stride == (2, 2) and stride == output_stride:
                    conv.stride = (1, 1)
                    dilation *= 2
                    conv.dilation = conv.padding = (before, before)
                elif conv.stride == (2, 2):
                    stride *= 2
                else:
                    conv.dilation = conv.padding = (dilation, dilation)

    def forward(self, x):
        for feature in self.features[:14]:
            x = feature(x)
        intermediate = x
        for feature in self.features[14:]:
            x = feature(x)
        return intermediate, x


def conv_bn(inputs, outputs, kernel, stride=1, relu=True):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))


class HighResolutionModule(nn.Module):
    def __init__(self, channels, blocks, align_corners):
        super().__init__()
        self.align_corners = align_corners
        basic = torchvision.models.resnet.BasicBlock
        self.branches = nn.ModuleList(
            nn.Sequential(*[basic(width, width) for _ in range(blocks)]) for width in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self.path(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )

    @staticmethod
    def path(channels, source, target):
        if source == target:
            return nn.Identity()
        if source > target:
            return conv_bn(channels[source], channels[target], 1, relu=False)
        steps = target - source
        widths = [channels[source]] * (steps - 1) + [channels[target]]
        return nn.Sequential(
            *[conv_bn(channels[source], width, 3, 2, relu=k < steps - 1) for k, width in enumerate(widths)]
        )

    def forward(self, xs):
        xs = [branch(x) for branch, x in zip(self.branches, xs)]
        outputs = []
        for target, fuse in zip(xs, self.fuse_layers):
            total = 0
            for x, path in zip(xs, fuse):
                y = path(x)
                if y.shape[2:] != target.shape[2:]:
                    y = F.interpolate(y, target.shape[2:], mode="bilinear", align_corners=self.align_corners)
                total = total + y
            outputs.append(F.relu(total))
        return outputs


class HRNet(nn.Module):
    # width, blocks and channels of layer1, blocks a branch, modules of the three stages
    VARIANTS = {
        "hrnet-w18-small": (16, 1, 32, 2, [1, 1, 1]),
        "hrnet-w18": (18, 4, 64, 4, [1, 4, 3]),
        "hrnet-w32": (32, 4, 64, 4, [1, 4, 3]),
        "hrnet-w48": (48, 4, 64, 4, [1, 4, 3]),
    }

    def __init__(self, name, align_corners):
        super().__init__()
        width, first_blocks, first_channels, blocks, modules = self.VARIANTS[name]
        self.align_corners = align_corners
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        bottleneck = torchvision.models.resnet.Bottleneck
        out = 4 * first_channels
        self.layer1 = nn.Sequential(
            bottleneck(64, first_channels, downsample=conv_bn(64, out, 1, relu=False)),
            *[bottleneck(out, first_channels) for _ in range(first_blocks - 1)],
        )
        before = [out]
        for stage, count in enumerate(modules, start=2):
            channels = [width * 2**branch for branch in range(stage)]
            kept = [
                nn.Identity() if a == b else conv_bn(a, b, 3) for a, b in zip(before, channels)
            ]
            added = nn.Sequential(conv_bn(before[-1], channels[-1], 3, 2))
            setattr(self, f"transition{stage - 1}", nn.ModuleList([*kept, added]))
            setattr(
                self,
                f"stage{stage}",
                nn.Sequential(*[HighResolutionModule(channels, blocks, align_corners) for _ in range(count)]),
            )
            before = channels

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        xs = [self.layer1(x)]
        for stage in (2, 3, 4):
            transition = getattr(self, f"transition{stage - 1}")
            xs = [layer(xs[min(i, len(xs) - 1)]) for i, layer in enumerate(transition)]
            xs = getattr(self, f"stage{stage}")(xs)
        size = xs[0].shape[2:]
        full = [F.interpolate(x, size, mode="bilinear", align_corners=self.align_corners) for x in xs]
        final = torch.cat(full, 1)
        return final, final
