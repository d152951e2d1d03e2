"""Trains a net in PyTorch as bantam trains it: same files, initial weights, batches and learning rates.

    train_like.py EXCHANGE --data DIR --out RUN [--threads T]

EXCHANGE is the folder that `bantam batches RECIPE --data DIR --out EXCHANGE ...` wrote: the resolved recipe, the initial
weights and the first batches. The script makes all batches itself (loader.py) and refuses to start unless the first ones
equal bantam's byte for byte. RUN/log.jsonl gets the loss every 50 steps and the test accuracy after each epoch; started
again with the same RUN, it goes on from the last checkpoint (every two minutes) and repeats the log's tail exactly.
"""
import argparse
import json
import os
import pathlib
import time
import tomllib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file

import nets
from initial import initial
from loader import Batches, read_cifar10

SAVE_EVERY, LOG_EVERY = 120, 50


class Exchange:
    """What bantam says of its run."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        with open(folder / "recipe.toml", "rb") as f:
            self.recipe = tomllib.load(f)
        self.init = load_file(folder / "init.safetensors")
        stored, rates = folder / "batches.safetensors", folder / "schedule.csv"
        self.batches = load_file(stored) if stored.exists() else None
        self.rates = np.loadtxt(rates, delimiter=",", skiprows=1, ndmin=2)[:, 1] if rates.exists() else None


def schedule(recipe, total_steps, steps_per_epoch):
    """The learning rate of each step."""
    s, lr = recipe["schedule"], recipe["optimizer"]["lr"]
    step = np.arange(total_steps)
    warm = int(np.floor(s.get("warmup_epochs", 0) * steps_per_epoch + 0.5))
    if s["kind"] == "multistep":
        full = s.get("full_epochs", 0) or recipe["train"]["epochs"]
        rates = np.full(total_steps, lr)
        for m, factor in zip(s["milestones"], s["factors"]):
            rates[step >= np.floor(m / full * total_steps + 0.5)] = lr * factor
    elif s["kind"] == "cosine":
        t = np.minimum(1, (step - warm) / max(1, total_steps - warm))
        end = s.get("end_factor", 0)
        rates = lr * (end + (1 - end) * 0.5 * (1 + np.cos(np.pi * t)))
    else:
        rates = np.full(total_steps, lr)
    return np.where(step < warm, lr * (step + 1) / max(1, warm), rates)


def check_batches(stored, batches):
    """The stored batches are those of epoch 0, from step 0."""
    count = len([k for k in stored if k.startswith("indices.")])
    for step in range(count):
        index, x, y = batches.make(0, step)
        for name, mine in (("indices", index), ("x", x), ("y", y)):
            theirs = stored[f"{name}.{step}"]
            mine = mine.astype(theirs.dtype)
            if mine.shape != theirs.shape or mine.tobytes() != theirs.tobytes():
                raise SystemExit(f"batch {step}: {name} differs from bantam's")
    print(f"{count} batches equal bantam's byte for byte", flush=True)


def load_init(net, init):
    own = dict(net.named_parameters())
    state = {k: torch.from_numpy(v) for k, v in init.items()}
    result = net.load_state_dict(state, strict=False)
    missing = [k for k in result.missing_keys if k in own]  # running statistics start at 0 and 1
    if missing or result.unexpected_keys:
        raise SystemExit(f"initial weights: missing {missing}, unexpected {result.unexpected_keys}")
    print(f"{len(own)} parameters loaded", flush=True)


def evaluate(net, batches):
    net.eval()
    right = 0
    with torch.no_grad():
        for step in range(batches.steps):
            _, x, y = batches.make(0, step)
            right += (net(to_torch(x)).argmax(1).numpy() == y).sum()
    net.train()
    return 100.0 * right / len(batches.labels)


def to_torch(x):
    return torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2)  # channels last in memory


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("exchange")
    p.add_argument("--data", required=True)
    p.add_argument("--out", default=".")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--check", action="store_true", help="compare batches, learning rates and initial weights, and stop")
    p.add_argument("--stop-after", type=int, help="stop after so many steps (to try resuming)")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    out = pathlib.Path(a.out)
    out.mkdir(parents=True, exist_ok=True)

    e = Exchange(a.exchange)
    r = e.recipe
    data, train, o = r["data"], r["train"], r["optimizer"]
    if data.get("holdout", 0) or data.get("train_images", 0) or train.get("clip_norm", 0) or o["name"] != "adam":
        raise SystemExit("only whole training sets and plain Adam are compared")
    norm = dict(mean=data["mean"], std=data["stddev"])
    batches = Batches(*read_cifar10(a.data, "train"), batch=train["batch"], seed=train["seed"], shuffle=True,
                      pad=data["pad_crop"], flip=data["flip"], **norm)
    test = Batches(*read_cifar10(a.data, "test"), batch=200, **norm)
    if e.batches is not None:
        check_batches(e.batches, batches)
    total = train["epochs"] * batches.steps
    rates = schedule(r, total, batches.steps)
    if e.rates is not None and (len(e.rates) != total or not np.allclose(rates, e.rates, rtol=1e-12, atol=0)):
        raise SystemExit("learning rates differ from bantam's")

    net = nets.from_recipe(r)
    if a.check:
        mine = initial(net, train["seed"])
        same = all(e.init[k].tobytes() == v.tobytes() for k, v in mine.items())
        print(f"{total} learning rates equal; {len(mine)} initial weights {'equal byte for byte' if same else 'DIFFER'}")
        raise SystemExit(not same)
    load_init(net, e.init)
    net = net.to(memory_format=torch.channels_last).train()
    opt = torch.optim.Adam(net.parameters(), betas=(o["beta1"], o["beta2"]), eps=o["eps"], weight_decay=o["weight_decay"])

    step, log, seconds = 0, [], 0.0
    state_file, log_file = out / "state.pt", out / "log.jsonl"
    if state_file.exists():
        s = torch.load(state_file, weights_only=True)
        net.load_state_dict(s["net"])
        opt.load_state_dict(s["opt"])
        step, log, seconds = s["step"], s["log"], s["seconds"]
        print(f"resumed at step {step} of {total}", flush=True)

    def save(step):
        part = out / "state.part"
        torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "step": step, "log": log, "seconds": seconds}, part)
        with open(part, "rb") as f:
            os.fsync(f.fileno())
        os.replace(part, state_file)
        log_file.write_text("".join(line + "\n" for line in log))

    saved = started = time.monotonic()
    before, losses = seconds, []
    while step < total:
        epoch, i = divmod(step, batches.steps)
        _, x, y = batches.make(epoch, i)
        for g in opt.param_groups:
            g["lr"] = float(rates[step])
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(to_torch(x)), torch.from_numpy(y), label_smoothing=train.get("label_smoothing", 0.0))
        loss.backward()
        opt.step()
        step += 1
        seconds = before + time.monotonic() - started
        if step % LOG_EVERY == 1:
            log.append(json.dumps({"step": step, "epoch": epoch, "loss": loss.item(), "lr": float(rates[step - 1])}))
        if step % batches.steps == 0:
            top1 = evaluate(net, test)
            log.append(json.dumps({"step": step, "epoch": epoch + 1, "test_top1": top1}))
            print(f"epoch {epoch + 1}: test top-1 {top1:.2f}, {seconds:.0f} s", flush=True)
            save(step)
        if time.monotonic() - saved > SAVE_EVERY:
            save(step)
            saved = time.monotonic()
        if a.stop_after and step >= a.stop_after:
            save(step)
            return
    if step == total:
        save(step)


main()
