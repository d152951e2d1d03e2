"""bantam's initial weights (Parameters::initialize in nn/parameters.cc), bit for bit where the C library is the same, in Python:
so that a peer's run can start before, and be checked against, what `bantam batches` writes.

    initial.py RECIPE.toml OUT.safetensors
"""
import math
import sys
import tomllib

import numpy as np
from safetensors.numpy import save_file

import nets
from philox import INIT, Rng


def fnv1a(name):
    h = 0xCBF29CE484222325
    for ch in name.encode():
        h = (h ^ ch) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def uniform64(rng, i):
    hi, lo = (rng.bits(2 * i) >> np.uint32(5)).astype(np.float64), (rng.bits(2 * i + 1) >> np.uint32(6)).astype(np.float64)
    return (hi * 67108864.0 + lo) * 2.0 ** -53


def normal(rng, n, chunk=1 << 20):
    out = np.empty(n)
    for b in range(0, n, chunk):  # logarithm and cosine are the C library's, not numpy's: they differ in the last place
        i = np.arange(b, min(n, b + chunk), dtype=np.uint64)
        u, v = 1.0 - uniform64(rng, 2 * i), uniform64(rng, 2 * i + 1)
        out[b:b + len(i)] = [math.sqrt(-2.0 * math.log(a)) * math.cos(2.0 * math.pi * c) for a, c in zip(u.tolist(), v.tolist())]
    return out


def initial(net, seed):
    """name -> f32 array in PyTorch's layout."""
    modules, state = dict(net.named_modules()), {}
    vgg = type(net).__name__ == "VGG"  # torchvision's: biases 0, linear weights normal with deviation 0.01
    for name, p in net.named_parameters():
        owner, shape = modules[name.rpartition(".")[0]], tuple(p.shape)
        kind, rng = type(owner).__name__, Rng(seed, INIT, fnv1a(name))
        fan_in = p[0].numel() if p.dim() > 1 else owner.weight[0].numel()
        if "Conv" in kind and p.dim() == 4:
            k, c, kh, kw = shape
            v = math.sqrt(2 / (k // owner.groups * kh * kw)) * normal(rng, p.numel())
            v = v.reshape(k, kh, kw, c).transpose(0, 3, 1, 2)
        elif vgg and ("Conv" in kind or kind == "Linear"):
            v = 0.01 * normal(rng, p.numel()) if p.dim() == 2 else np.zeros(p.numel())
            if name == "classifier.0.weight":
                v = v.reshape(-1, 7, 7, owner.in_features // 49).transpose(0, 3, 1, 2)
        elif "Conv" in kind or kind == "Linear":
            v = 1 / math.sqrt(fan_in) * (2 * uniform64(rng, np.arange(p.numel(), dtype=np.uint64)) - 1)
            if p.dim() == 2 and isinstance(net, (nets.LeNet, nets.Quickstart)) and name in ("fc1.weight", "fc.weight"):
                side, c = (5, 16) if name == "fc1.weight" else (7, 64)
                v = v.reshape(-1, side, side, c).transpose(0, 3, 1, 2)
        else:
            v = p.detach().numpy()  # norms 1 and 0, slopes 0.25
        state[name] = np.ascontiguousarray(v, np.float32).reshape(shape)
    return state


def main():
    with open(sys.argv[1], "rb") as f:
        r = tomllib.load(f)
    net = nets.from_recipe(r)
    save_file(initial(net, r["train"]["seed"]), sys.argv[2])


if __name__ == "__main__":
    main()
