"""bantam's nets, defined independently in PyTorch: nn/models/ is the other definition. A state dict moves between the two
as safetensors: parameter names and shapes are the same.

form: "float", "binaryconnect" (signs of weights, ReLU at each convolution's input) or "bnn" (signs of both).
First and last layer are real in every form; biases, norms and PReLU slopes too. resnet18, resnet50, vgg11-torchvision and
vgg11_bn are torchvision's own (float only); nothing else here needs torchvision.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import forms
import philox


class SignClip(torch.autograd.Function):
    """+1 for x >= 0 (so for -0.0 too), -1 otherwise; the gradient passes where |x| <= 1."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.abs() <= 1)
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class SignIdentity(torch.autograd.Function):
    """The same value; the gradient passes everywhere (latent weights are not clipped)."""

    @staticmethod
    def forward(ctx, w):
        return torch.where(w >= 0, 1.0, -1.0).to(w.dtype)

    @staticmethod
    def backward(ctx, g):
        return g


class BinaryConv2d(nn.Conv2d):
    def forward(self, x):
        return F.conv2d(x, SignIdentity.apply(self.weight), self.bias, self.stride, self.padding)


class Form:
    def __init__(self, name):
        assert name in ("float", "binaryconnect", "bnn"), name
        self.conv = nn.Conv2d if name == "float" else BinaryConv2d  # every convolution but the first
        self.before_conv = SignClip.apply if name == "bnn" else F.relu
        self.bnn = name == "bnn"


def kaiming_fan_out(module):
    """Normal with variance 2 / (K * kh * kw) for convolutions; zero biases there."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if m.bias is not None:
                nn.init.zeros_(m.bias)


class Quickstart(nn.Module):
    """conv 3x3 s2 1->32, norm, act; conv 3x3 32->64, max pool, norm, act; conv 3x3 64->64, norm, act; linear 3136->10.

    The linear layer reads real values: in the bnn form Hardtanh stands before it, not sign.
    """

    def __init__(self, form="float", classes=10):
        super().__init__()
        f = self.form = Form(form)
        self.conv1, self.bn1 = nn.Conv2d(1, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = f.conv(32, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = f.conv(64, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        self.fc = nn.Linear(64 * 7 * 7, classes)
        kaiming_fan_out(self)

    def forward(self, x):
        act = self.form.before_conv
        x = act(self.bn1(self.conv1(x)))
        x = act(self.bn2(F.max_pool2d(self.conv2(x), 2)))
        x = self.bn3(self.conv3(x))
        x = F.hardtanh(x) if self.form.bnn else F.relu(x)
        return self.fc(x.flatten(1))


class LeNet(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


class Vgg11(nn.Module):
    """[T 4] Order: sign or ReLU, convolution with bias, max pool, norm, (bnn: Hardtanh). The fc reads the last of these."""
    CHANNELS = (64, 128, 256, 256, 512, 512, 512, 512)
    POOLED = (1, 2, 4, 6, 8)  # after these convolutions, counted from 1

    def __init__(self, form="float", width=1.0, classes=10):
        super().__init__()
        self.form = Form(form)
        c = 3
        for i, k in enumerate((scaled(k, width) for k in self.CHANNELS), 1):
            conv = nn.Conv2d if i == 1 else self.form.conv
            setattr(self, f"conv{i}", conv(c, k, 3, 1, 1, bias=True))
            setattr(self, f"bn{i}", nn.BatchNorm2d(k))
            c = k
        self.fc = nn.Linear(c, classes)
        kaiming_fan_out(self)

    def forward(self, x):
        for i in range(1, 9):
            x = getattr(self, f"conv{i}")(x if i == 1 else self.form.before_conv(x))
            if i in self.POOLED:
                x = F.max_pool2d(x, 2)
            x = getattr(self, f"bn{i}")(x)
            if self.form.bnn:
                x = F.hardtanh(x)
        return self.fc(x.flatten(1))


class Block(nn.Module):
    """[T 4] conv, PReLU, norm, conv, PReLU, norm, + shortcut; one slope shared by both, and no ReLU after the sum."""

    def __init__(self, f, c, k, stride):
        super().__init__()
        self.act = f.before_conv
        self.conv1, self.bn1 = f.conv(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
        self.conv2, self.bn2 = f.conv(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
        self.prelu = nn.PReLU(1, 0.25)
        self.downsample = None
        if stride != 1 or c != k:
            self.downsample = nn.Sequential(f.conv(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))

    def forward(self, x):
        a = self.act(x)
        shortcut = x if self.downsample is None else self.downsample(a)
        y = self.bn1(self.prelu(self.conv1(a)))
        return self.bn2(self.prelu(self.conv2(self.act(y)))) + shortcut


class ResNet14(nn.Module):
    """[T 4] Stem conv, ReLU, norm; 3 stages of 2 blocks at 64, 128, 256 times `width`; ReLU, global mean, fc."""

    def __init__(self, form="float", width=1.25, classes=10):
        super().__init__()
        f = Form(form)
        k = [scaled(v, width) for v in (64, 128, 256)]
        self.conv1, self.bn1 = nn.Conv2d(3, k[0], 3, 1, 1, bias=False), nn.BatchNorm2d(k[0])
        c = k[0]
        for i, o in enumerate(k, 1):
            setattr(self, f"layer{i}", nn.Sequential(Block(f, c, o, 1 if i == 1 else 2), Block(f, o, o, 1)))
            c = o
        self.fc = nn.Linear(c, classes)
        kaiming_fan_out(self)

    def forward(self, x):
        x = self.bn1(F.relu(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(F.relu(x).mean((2, 3)))


def scaled(channels, width):
    return max(1, math.floor(channels * width + 0.5))


def torchvision_resnet(name, width=1.0, classes=1000, stem="imagenet"):
    """torchvision's own net; a narrow one is put together by its own _make_layer. stem: as nn/models/models.h says."""
    from torchvision.models import resnet
    block, layers = {"resnet18": (resnet.BasicBlock, (2, 2, 2, 2)), "resnet50": (resnet.Bottleneck, (3, 4, 6, 3))}[name]
    m = resnet.ResNet(block, layers, num_classes=classes)
    if width != 1:
        k = m.inplanes = scaled(64, width)
        m.conv1, m.bn1 = nn.Conv2d(3, k, 7, 2, 3, bias=False), nn.BatchNorm2d(k)
        for i, n in enumerate(layers):
            setattr(m, f"layer{i + 1}", m._make_layer(block, scaled(64 << i, width), n, stride=2 if i else 1))
        m.fc = nn.Linear(m.inplanes, classes)
    if stem != "imagenet":
        m.conv1 = nn.Conv2d(3, m.conv1.out_channels, 3, 1, 1, bias=False)
    if stem == "cifar":
        m.maxpool = nn.Identity()
    if width != 1 or stem != "imagenet":
        kaiming_fan_out(m)
    return m


def torchvision_vgg11(norms, width=1.0, classes=1000):
    from torchvision.models import vgg
    if width == 1:
        return vgg.VGG(vgg.make_layers(vgg.cfgs["A"], norms), num_classes=classes)
    cfg = [v if v == "M" else scaled(v, width) for v in vgg.cfgs["A"]]
    m = vgg.VGG(vgg.make_layers(cfg, norms), num_classes=classes, init_weights=False)
    k, hidden = cfg[-2], scaled(4096, width)
    for at, (i, o) in {0: (k * 49, hidden), 3: (hidden, hidden), 6: (hidden, classes)}.items():
        m.classifier[at] = nn.Linear(i, o)
        nn.init.normal_(m.classifier[at].weight, 0, 0.01)
        nn.init.zeros_(m.classifier[at].bias)
    kaiming_fan_out(m.features)
    return m


class Dropout(nn.Module):
    """With the mask that bantam draws at seed 0, step 0 for the node of this name."""

    def __init__(self, p, name):
        super().__init__()
        self.p, self.name = p, name

    def forward(self, x):
        if not self.training:
            return x
        stream = 0xcbf29ce484222325  # FNV-1a
        for byte in self.name.encode():
            stream = (stream ^ byte) * 0x100000001b3 % 2 ** 64
        keep = philox.Rng(0, philox.DROPOUT, stream, 0).bits(np.arange(x.numel())) >> np.uint32(8) >= math.ceil(self.p * 2 ** 24)
        return torch.where(torch.from_numpy(keep).reshape(x.shape), x / (1 - self.p), torch.zeros_like(x))


def known_dropout(net):
    """Dropout of torchvision's VGG as bantam draws it."""
    if type(net).__name__ == "VGG":
        for i, m in enumerate(net.classifier):
            if isinstance(m, nn.Dropout):
                net.classifier[i] = Dropout(m.p, f"classifier.{i}")


def make(net, form="float", width=None, classes=None, stem="imagenet"):
    """net: a name of nn/models/models.h."""
    kw = {k: v for k, v in {"width": width, "classes": classes}.items() if v is not None}
    few = {k: v for k, v in kw.items() if k == "classes"}
    return {"quickstart": lambda: Quickstart(form, **few), "lenet": lambda: LeNet(**few),
            "vgg11": lambda: Vgg11(form, **kw), "resnet14": lambda: ResNet14(form, **kw),
            "resnet18": lambda: torchvision_resnet(net, stem=stem, **kw),
            "resnet50": lambda: torchvision_resnet(net, stem=stem, **kw),
            "vgg11-torchvision": lambda: torchvision_vgg11(False, **kw),
            "vgg11_bn": lambda: torchvision_vgg11(True, **kw)}[net]()


def from_recipe(recipe, classes=10):
    """The net of a resolved recipe."""
    m = recipe["model"]
    return make(m["name"], forms.form_of(recipe["quant"]), m.get("width"), m.get("classes", 0) or classes, m.get("stem", "imagenet"))


if __name__ == "__main__":
    for net in ("quickstart", "lenet", "vgg11", "resnet14", "resnet18", "resnet50", "vgg11-torchvision", "vgg11_bn"):
        m = make(net)
        print(net, sum(p.numel() for p in m.parameters()), "parameters")
