"""Every context module in plain PyTorch, as its users write it, with the parameter names of lib/models/contexts.

A `config` is a context's configuration as lib/models has it. module(config, inputs, classes) is the module alone, which the
paper's Table 4 measures: called with features (N, C, H, W) and, where there are regions, region logits (N, K, H, W), it gives
the representation. Head(config, intermediate, final, classes) is all that stands on a backbone.
"""

import torch
from torch import nn
from torch.nn import functional as F


class NormActivation(nn.BatchNorm2d):
    """Batch normalisation and ReLU, or leaky ReLU, as one layer."""

    def __init__(self, channels, config):
        super().__init__(channels, eps=config["epsilon"])
        self.slope = config["negativeSlope"]

    def forward(self, x):
        x = super().forward(x)
        return F.relu(x) if self.slope == 0 else F.leaky_relu(x, self.slope)


def conv_norm(inputs, outputs, kernel, config, bias=False, dilation=1):
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=bias)
    return [conv, NormActivation(outputs, config)]


def stacked(inputs, outputs, layers, config, bias):
    """1×1 convolution and normalisation, `layers` times."""
    widths = [inputs] + [outputs] * layers
    return nn.Sequential(*(m for i in range(layers) for m in conv_norm(widths[i], outputs, 1, config, bias)))


def classifier(inputs, hidden, classes, kernel, config):
    """Hidden convolution, the place of a dropout, linear classifier."""
    first = conv_norm(inputs, hidden, kernel, config, bias=True)
    return nn.Sequential(*first, nn.Identity(), nn.Conv2d(hidden, classes, 1))


def pixels(x):
    """(N, C, H, W) → (N, C, H·W)."""
    return x.flatten(2)


def aggregate(regions, features):
    """Region vectors (N, C, K, 1): features summed by regions (N, K, H, W)."""
    return torch.bmm(pixels(features), pixels(regions).transpose(1, 2)).unsqueeze(3)


def distribute(relation, vectors):
    """(N, C, H, W): vectors (N, C, K, 1) mixed by the relation (N, K, H, W)."""
    n, k, h, w = relation.shape
    return torch.bmm(vectors.squeeze(3), pixels(relation)).reshape(n, -1, h, w)


def spatial_softmax(logits):
    return pixels(logits).softmax(dim=2).reshape(logits.shape)


class ObjectAttention(nn.Module):
    """The paper's equations 3 to 5 on pixels (N, C, H, W) and regions (N, K, H, W)."""

    def __init__(self, inputs, config, form, classes):
        super().__init__()
        key, self.form, self.key_channels = config["keyChannels"], form, config["keyChannels"]
        self.relation = config.get("relation", "pixel-region")
        layers, bias = 1 if form == "paper" else 2, form == "openseg"
        if self.relation == "pixel-region" and config.get("truth", "regions") == "regions":
            self.f_pixel = stacked(inputs, key, layers, config, bias)
            self.f_object = stacked(inputs, key, layers, config, bias)
        if self.relation == "da":
            self.f_relation = nn.Conv2d(inputs, classes, 1)
        self.f_down = stacked(inputs, key, 1, config, bias)
        self.f_up = stacked(key, config["channels"], 1, config, bias)

    def forward(self, x, regions, region_logits=None, known_relation=None):
        n, _, h, w = x.shape
        objects = aggregate(regions, x)
        if known_relation is not None:
            relation = known_relation
        elif self.relation == "da":
            relation = self.f_relation(x).softmax(dim=1)
        elif self.relation == "acf":
            relation = region_logits.softmax(dim=1)
        else:
            query, key = pixels(self.f_pixel(x)), self.f_object(objects).squeeze(3)
            scores = torch.bmm(key.transpose(1, 2), query)
            if self.form != "paper":
                scores = scores * self.key_channels**-0.5
            relation = scores.softmax(dim=1).reshape(n, -1, h, w)
        return self.f_up(distribute(relation, self.f_down(objects)))


class ObjectContext(nn.Module):
    """Object attention, and its fusion with the pixels."""

    def __init__(self, inputs, config, classes):
        super().__init__()
        self.form = config["form"]
        self.object_context_block = ObjectAttention(inputs, config, self.form, classes)
        fused = conv_norm(inputs + config["channels"], config["channels"], 1, config, self.form == "openseg")
        self.conv_bn_dropout = nn.Sequential(*fused)

    def forward(self, x, *given):
        context = self.object_context_block(x, *given)
        return self.conv_bn_dropout(torch.cat([x, context] if self.form == "paper" else [context, x], 1))


class Ocr(nn.Module):
    def __init__(self, config, inputs, classes):
        super().__init__()
        channels = config["channels"]
        if config["pixelConvolution"]:
            first = conv_norm(inputs, channels, 3, config, config["form"] != "paper")
            self.conv3x3_ocr, inputs = nn.Sequential(*first), channels
        self.ocr_distri_head = ObjectContext(inputs, config, classes)

    def forward(self, x, region_logits=None, regions=None, relation=None):
        if hasattr(self, "conv3x3_ocr"):
            x = self.conv3x3_ocr(x)
        if regions is None:
            regions = spatial_softmax(region_logits)
        return self.ocr_distri_head(x, regions, region_logits, relation)


class Ppm(nn.Module):
    def __init__(self, config, inputs, _classes=0, align_corners=True):
        super().__init__()
        self.align_corners = align_corners
        branch, pools = config["branchChannels"], config["pools"]
        ppm = nn.Module()
        ppm.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), *conv_norm(inputs, branch, 1, config)) for size in pools
        )
        joint = inputs + branch * len(pools)
        ppm.bottleneck = nn.Sequential(*conv_norm(joint, config["channels"], 3, config))
        self.ppm = ppm

    def forward(self, x):
        parts = [
            F.interpolate(stage(x), x.shape[2:], mode="bilinear", align_corners=self.align_corners)
            for stage in self.ppm.stages
        ]
        return self.ppm.bottleneck(torch.cat([*parts, x], 1))


class Aspp(nn.Module):
    def __init__(self, config, inputs, _classes=0, align_corners=True):
        super().__init__()
        self.align_corners = align_corners
        channels = config["channels"]
        aspp = nn.Module()
        aspp.conv_gp = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_norm(inputs, channels, 1, config))
        aspp.conv_1x1 = nn.Sequential(*conv_norm(inputs, channels, 1, config))
        for i, dilation in enumerate(config["dilations"], 1):
            branch = conv_norm(inputs, channels, 3, config, dilation=dilation)
            aspp.add_module(f"conv_3x3_{i}", nn.Sequential(*branch))
        aspp.fuse = nn.Sequential(*conv_norm(5 * channels, channels, 1, config))
        self.aspp = aspp

    def forward(self, x):
        aspp = self.aspp
        mean = F.interpolate(aspp.conv_gp(x), x.shape[2:], mode="bilinear", align_corners=self.align_corners)
        parts = [mean, aspp.conv_1x1(x), aspp.conv_3x3_1(x), aspp.conv_3x3_2(x), aspp.conv_3x3_3(x)]
        return aspp.fuse(torch.cat(parts, 1))


def attend(query, key, value, scale=1):
    """Attention of all pixels to all, (N, C, H, W), with the whole map of N × N."""
    relation = torch.bmm(pixels(query).transpose(1, 2), pixels(key)) * scale
    attended = torch.bmm(pixels(value), relation.softmax(dim=2).transpose(1, 2))
    return attended.reshape(value.shape)


class SelfAttention(nn.Module):
    def __init__(self, config, inputs, _classes=0):
        super().__init__()
        channels, key = config["channels"], config["keyChannels"]
        self.scale = key**-0.5
        self.conv_3x3 = nn.Sequential(*conv_norm(inputs, channels, 3, config, True))
        block = nn.Module()
        block.f_query = stacked(channels, key, 1, config, True)
        block.f_key = stacked(channels, key, 1, config, True)
        block.f_value = nn.Conv2d(channels, key, 1)
        block.W = nn.Conv2d(key, channels, 1)
        self.self_attention = nn.Module()
        self.self_attention.stages = nn.ModuleList([block])
        self.self_attention.conv_bn_dropout = nn.Sequential(*conv_norm(2 * channels, channels, 1, config, True))

    def forward(self, x):
        x = self.conv_3x3(x)
        block = self.self_attention.stages[0]
        context = block.W(attend(block.f_query(x), block.f_key(x), block.f_value(x), self.scale))
        return self.self_attention.conv_bn_dropout(torch.cat([context, x], 1))


class PositionAttention(nn.Module):
    def __init__(self, channels, key):
        super().__init__()
        self.query_conv = nn.Conv2d(channels, key, 1)
        self.key_conv = nn.Conv2d(channels, key, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.gamma * attend(self.query_conv(x), self.key_conv(x), self.value_conv(x)) + x


class ChannelAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        energy = torch.bmm(pixels(x), pixels(x).transpose(1, 2))
        attention = (energy.max(dim=2, keepdim=True).values - energy).softmax(dim=2)
        return self.gamma * torch.bmm(attention, pixels(x)).reshape(x.shape) + x


class Danet(nn.Module):
    def __init__(self, config, inputs, _classes=0):
        super().__init__()
        channels = config["channels"]
        head = nn.Module()
        head.conv5a = nn.Sequential(*conv_norm(inputs, channels, 3, config))
        head.conv5c = nn.Sequential(*conv_norm(inputs, channels, 3, config))
        head.sa, head.sc = PositionAttention(channels, config["keyChannels"]), ChannelAttention()
        head.conv51 = nn.Sequential(*conv_norm(channels, channels, 3, config))
        head.conv52 = nn.Sequential(*conv_norm(channels, channels, 3, config))
        self.head = head

    def forward(self, x):
        head = self.head
        return head.conv51(head.sa(head.conv5a(x))) + head.conv52(head.sc(head.conv5c(x)))


class CrissCrossAttention(PositionAttention):
    def forward(self, x):
        query, key, value = self.query_conv(x), self.key_conv(x), self.value_conv(x)
        height = x.shape[2]
        column = torch.einsum("ncij,nckj->nijk", query, key)
        # The pixel itself counts once, with its row.
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[:, None, :]
        column = column.masked_fill(itself, float("-inf"))
        row = torch.einsum("ncij,ncik->nijk", query, key)
        relation = torch.cat([column, row], 3).softmax(dim=3)
        of_column, of_row = relation[..., :height], relation[..., height:]
        attended = torch.einsum("nijk,nckj->ncij", of_column, value) + torch.einsum("nijk,ncik->ncij", of_row, value)
        return self.gamma * attended + x


class CcAttention(nn.Module):
    def __init__(self, config, inputs, _classes=0):
        super().__init__()
        channels = config["channels"]
        head = nn.Module()
        head.conva = nn.Sequential(*conv_norm(inputs, channels, 3, config))
        head.cca = CrissCrossAttention(channels, config["keyChannels"])
        head.convb = nn.Sequential(*conv_norm(channels, channels, 3, config))
        head.bottleneck = nn.Sequential(*conv_norm(inputs + channels, channels, 3, config))
        self.head, self.recurrence = head, config["recurrence"]

    def forward(self, x):
        head = self.head
        y = head.conva(x)
        for _ in range(self.recurrence):
            y = head.cca(y)
        return head.bottleneck(torch.cat([x, head.convb(y)], 1))


class DoubleAttention(nn.Module):
    def __init__(self, config, inputs, _classes=0):
        super().__init__()
        channels, key, regions = config["channels"], config["keyChannels"], config["regions"]
        self.conv_3x3 = nn.Sequential(*conv_norm(inputs, channels, 3, config, True))
        head = nn.Module()
        head.A = nn.Conv2d(channels, key, 1)
        head.B = nn.Conv2d(channels, regions, 1)
        head.V = nn.Conv2d(channels, regions, 1)
        head.W = nn.Conv2d(key, channels, 1)
        head.conv_bn_dropout = nn.Sequential(*conv_norm(2 * channels, channels, 1, config, True))
        self.double_attention = head

    def forward(self, x):
        x = self.conv_3x3(x)
        head = self.double_attention
        gathered = aggregate(spatial_softmax(head.B(x)), head.A(x))
        context = head.W(distribute(head.V(x).softmax(dim=1), gathered))
        return head.conv_bn_dropout(torch.cat([context, x], 1))


class AspOcr(nn.Module):
    def __init__(self, config, inputs, classes):
        super().__init__()
        channels = config["channels"]
        head = nn.Module()
        block = nn.Module()
        block.object_context_block = ObjectAttention(channels, config, "openseg", classes)
        head.context = nn.ModuleList([*conv_norm(inputs, channels, 3, config, True), block])
        head.conv2 = nn.Sequential(*conv_norm(inputs, channels, 1, config, True))
        for i, dilation in enumerate(config["dilations"], 3):
            head.add_module(f"conv{i}", nn.Sequential(*conv_norm(inputs, channels, 3, config, True, dilation)))
        head.conv_bn_dropout = nn.Sequential(*conv_norm(5 * channels, channels, 1, config, True))
        self.asp_ocr_head = head

    def forward(self, x, region_logits):
        head = self.asp_ocr_head
        conv, norm, block = head.context
        context = block.object_context_block(norm(conv(x)), spatial_softmax(region_logits))
        return head.conv_bn_dropout(
            torch.cat([context, head.conv2(x), head.conv3(x), head.conv4(x), head.conv5(x)], 1)
        )


MODULES = {
    "ocr": Ocr,
    "ground-truth-ocr": Ocr,
    "ppm": Ppm,
    "aspp": Aspp,
    "self-attention": SelfAttention,
    "danet": Danet,
    "cc-attention": CcAttention,
    "double-attention": DoubleAttention,
    "asp-ocr": AspOcr,
}


def module(config, inputs, classes, **resizing):
    return MODULES[config["kind"]](config, inputs, classes, **resizing)


def labelled_regions(labels, size, classes):
    """1 where a pixel's label is k, (N, K, H, W); labels (N, H′, W′) at the nearest pixel."""
    nearest = F.interpolate(labels[:, None].double(), size, mode="nearest")
    return (nearest == torch.arange(classes).reshape(1, -1, 1, 1)).to(torch.get_default_dtype())


class Head(nn.Module):
    """(intermediate, final) features and, for known regions, labels → logits and, where there are any, auxiliaryLogits."""

    def __init__(self, config, intermediate, final, classes, **resizing):
        super().__init__()
        self.config, self.classes = config, classes
        kind, channels = config["kind"], config.get("channels")
        self.scheme = config.get("scheme")
        truth = config.get("truth")
        if kind in ("ocr", "asp-ocr") or truth == "relation":
            form = config.get("form", "openseg")
            hidden = config.get("regionHeadChannels", intermediate)
            kernel = 3 if form == "openseg" else 1
            self.aux_head = (
                nn.Conv2d(intermediate, classes, 1)
                if form == "paper"
                else classifier(intermediate, hidden, classes, kernel, config)
            )
        has_own = kind != "asp-ocr" and (kind != "ocr" or config["supervision"] == "auxiliary")
        width = config.get("auxiliaryChannels", channels if has_own else 0)
        if has_own and width > 0 and truth != "relation":
            self.dsn_head = classifier(intermediate, width, classes, 3, config)
        if kind == "coarse-to-fine":
            if self.scheme != "coarse-only":
                read = final + (classes if self.scheme == "label-refinement" else 0)
                self.conv_3x3 = nn.Sequential(*conv_norm(read, channels, 3, config, True))
                self.cls_head = nn.Conv2d(channels, classes, 1)
            if self.scheme == "label-ensemble":
                self.ensemble = nn.ParameterDict({"coarse": torch.full((1,), 0.5), "fine": torch.full((1,), 0.5)})
        else:
            self.module = module(config, final, classes, **resizing)
            self.cls_head = nn.Conv2d(channels, classes, 1)

    def forward(self, intermediate, final, labels=None):
        if self.config["kind"] == "coarse-to-fine":
            return self.coarse_to_fine(intermediate, final)
        if self.config["kind"] == "ground-truth-ocr":
            return self.ground_truth(intermediate, final, labels)
        if hasattr(self, "aux_head"):
            region_logits = self.aux_head(intermediate)
            auxiliary = self.dsn_head(intermediate) if hasattr(self, "dsn_head") else region_logits
            logits = self.cls_head(self.module(final, region_logits))
            regions = spatial_softmax(region_logits)
            return {"logits": logits, "auxiliaryLogits": auxiliary, "regionLogits": region_logits, "regions": regions}
        return {"logits": self.cls_head(self.module(final)), "auxiliaryLogits": self.dsn_head(intermediate)}

    def coarse_to_fine(self, intermediate, final):
        if not hasattr(self, "dsn_head"):
            return {"logits": self.cls_head(self.conv_3x3(final))}
        coarse = self.dsn_head(intermediate)
        if self.scheme == "coarse-only":
            return {"logits": coarse}
        read = torch.cat([coarse, final], 1) if self.scheme == "label-refinement" else final
        fine = self.cls_head(self.conv_3x3(read))
        if self.scheme == "label-ensemble":
            fine = self.ensemble["coarse"] * coarse + self.ensemble["fine"] * fine
        return {"logits": fine, "auxiliaryLogits": coarse}

    def ground_truth(self, intermediate, final, labels):
        known = labelled_regions(labels, final.shape[2:], self.classes).to(final.dtype)
        regions = known / known.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        if hasattr(self, "aux_head"):
            region_logits = self.aux_head(intermediate)
            logits = self.cls_head(self.module(final, region_logits, relation=known))
            return {"logits": logits, "auxiliaryLogits": region_logits, "regionLogits": region_logits}
        relation = known if self.config["truth"] == "both" else None
        outputs = {"logits": self.cls_head(self.module(final, regions=regions, relation=relation))}
        if hasattr(self, "dsn_head"):
            outputs["auxiliaryLogits"] = self.dsn_head(intermediate)
        return outputs


def parameter_name(key):
    """Of lib/models: there the module has no name of its own."""
    return key.removeprefix("module.")
