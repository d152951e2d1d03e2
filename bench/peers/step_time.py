"""Milliseconds of one training step, bantam and PyTorch alternating in the same run.

    step_time.py STEP_BENCH [--net vgg11] [--form float] [--width W] [--batch 128] [--threads 2] [--rounds 10]

STEP_BENCH is the program build/bench/step_bench: it takes a step for each line on its input and answers with the
milliseconds. Each round takes `--inner` steps of one, waits until its threads sleep, then of the other; the medians and their
ratio are printed, and a JSON line. Both run the whole step: forward, loss, backward, optimizer; PyTorch with channels first
and channels last, the faster counts.
"""
import argparse
import json
import os
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

import nets


def torch_step(a, last):
    fmt = torch.channels_last if last else torch.contiguous_format
    net = nets.make(a.net, a.form, a.width).to(memory_format=fmt).train()
    h, c = (28, 1) if a.net in ("lenet", "quickstart") else (32, 3)
    x, y = torch.randn(a.batch, c, h, h).contiguous(memory_format=fmt), torch.randint(0, 10, (a.batch,))
    opt = (torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9, foreach=True) if a.optimizer == "sgd"
           else torch.optim.Adam(net.parameters(), 1e-4, fused=True))

    def step():
        t = time.perf_counter()
        opt.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y).backward()
        opt.step()
        return 1e3 * (time.perf_counter() - t)
    return step


def bantam_step(a):
    command = [a.program, "--net", a.net, "--form", a.form, "--width", str(a.width or 1.0), "--batch", str(a.batch),
               "--threads", str(a.threads), "--optimizer", a.optimizer]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def step():
        child.stdin.write("step\n")
        child.stdin.flush()
        line = child.stdout.readline()
        if not line:
            raise SystemExit(f"{a.program} ended")
        return float(line)
    return step


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("--net", default="vgg11")
    p.add_argument("--form", default="float")
    p.add_argument("--width", type=float)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--optimizer", default="sgd", choices=["sgd", "adam"])
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--inner", type=int, default=2)
    a = p.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    engines = {"bantam": bantam_step(a), "pytorch nchw": torch_step(a, False), "pytorch nhwc": torch_step(a, True)}
    times = {k: [] for k in engines}
    for k, step in engines.items():
        for _ in range(2):
            step()  # warm
    for _ in range(a.rounds):
        for k, step in engines.items():
            time.sleep(0.3)
            times[k] += [step() for _ in range(a.inner)]
    medians = {k: statistics.median(v) for k, v in times.items()}
    for k, v in times.items():
        print(f"{a.net} {a.form} batch {a.batch}, {a.threads} threads, {k:13s} {medians[k]:9.1f} ms  ({min(v):.1f} - {max(v):.1f}, n = {len(v)})")
    ratio = medians["bantam"] / min(medians["pytorch nchw"], medians["pytorch nhwc"])
    print(f"bantam takes {ratio:.2f} times PyTorch's")
    print(json.dumps({"net": a.net, "form": a.form, "batch": a.batch, "threads": a.threads, "optimizer": a.optimizer,
                      "medians_ms": medians, "ratio": ratio, "torch": torch.__version__, "load": os.getloadavg()[0]}))


main()
