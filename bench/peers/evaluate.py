"""Loads a bantam checkpoint into PyTorch and evaluates it there: the same weights must give the same accuracy.

    evaluate.py RUN --data DIR        RUN: a run folder of `bantam train` on CIFAR-10 (recipe.toml, last.safetensors)
"""
import argparse
import pathlib
import tomllib

import torch
from safetensors.torch import load_file

import nets
from loader import Batches, read_cifar10


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=pathlib.Path)
    p.add_argument("--data", required=True)
    a = p.parse_args()
    torch.set_num_threads(1)
    with open(a.run / "recipe.toml", "rb") as f:
        r = tomllib.load(f)
    net = nets.from_recipe(r)
    stored = load_file(a.run / "last.safetensors")
    net.load_state_dict({k: stored[k] for k in net.state_dict()})  # the optimizer's state lies beside the weights
    net.eval()
    test = Batches(*read_cifar10(a.data, "test"), batch=200, mean=r["data"]["mean"], std=r["data"]["stddev"])
    right = 0
    with torch.no_grad():
        for step in range(test.steps):
            _, x, y = test.make(0, step)
            right += (net(torch.from_numpy(x).permute(0, 3, 1, 2)).argmax(1).numpy() == y).sum()
    print(f"{right} of {len(test.labels)} right, top-1 {100.0 * right / len(test.labels):.2f}")


main()
