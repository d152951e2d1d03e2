"""Whole nets at any size against PyTorch's: outputs, gradients and running statistics, in f64 and in f32.

    same_nets.py NET_PASS [NET ...] [--width W] [--stem S] [--side 224] [--images 2] [--classes 1000] [--form float]
                 [--seeds 1] [--threads 2] [--f32-only]

NET_PASS is build/bench/net_pass. The same random weights, statistics, batch and dropout masks go to both; PyTorch's f64 is the
truth. Printed for evaluation and training: bantam's f64 (largest error of outputs, gradients, statistics, each relative to the
largest element of its tensor), and the f32 errors of bantam and of PyTorch, channels first and last, beside each other: outputs
likewise, gradients as |g - truth| / |truth| over the whole net, Euclidean. One ReLU or pool that rounds to another side than
f64's moves a gradient by 1e-3: take the median of several seeds.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import forms
import nets


def torch_pass(net, x, y, training):
    net.train(training)
    net.zero_grad(set_to_none=True)
    out = {}
    with torch.set_grad_enabled(training):
        out["logits"] = net(x)
        out["loss"] = F.cross_entropy(out["logits"], y).reshape(())
        if training:
            out["loss"].backward()
            out |= {"grad." + n: p.grad for n, p in net.named_parameters()}
            out |= {"after." + n: b for n, b in net.named_buffers() if "running" in n}
    return {k: v.detach().double().clone() for k, v in out.items()}


def bantam_pass(a, net, state, dtype, mode):
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        save_file(state, d / "in")
        subprocess.run([a.program, "--net", net, *forms.flags_of(net, a.form), "--stem", a.stem, "--width", str(a.width), "--classes", str(a.classes),
                        "--dtype", dtype, "--mode", mode, "--threads", str(a.threads), d / "in", d / "out"], check=True,
                       stderr=subprocess.DEVNULL)
        return {k: v.double() for k, v in load_file(d / "out").items()}


def largest(got, want, prefix):
    """Relative to the largest element of each tensor; a bias that a norm takes away again, to that of its weights."""
    worst = 0.0
    for k, w in want.items():
        if k.startswith(prefix):
            unit = w.abs().max()
            if k.endswith("bias") and unit < 1e-10:
                unit = want[k[:-4] + "weight"].abs().max()
            worst = max(worst, ((got[k].reshape(w.shape) - w).abs().max() / unit).item())
    return worst


def whole(got, want):
    g, w = (torch.cat([t[k].flatten() for k in want if k.startswith("grad.")]) for t in (got, want))
    return ((g - w).norm() / w.norm()).item()


def compare(a, name, seed):
    torch.manual_seed(seed)
    net = nets.make(name, a.form, a.width, a.classes, a.stem).double()
    nets.known_dropout(net)
    for n, b in net.named_buffers():
        if n.endswith("running_mean"):
            b.normal_(0, 0.3)
        elif n.endswith("running_var"):
            b.uniform_(0.5, 1.5)
    net.float().double()  # values that f32 has, too
    state = {k: v.clone().contiguous() for k, v in net.state_dict().items()}
    gray = name in ("lenet", "quickstart")
    x = torch.randn(a.images, 1 if gray else 3, a.side, a.side).double()
    y = torch.randint(0, a.classes, (a.images,))
    batch = state | {"batch.x": x, "batch.y": y}
    row = {"net": name, "seed": seed, "side": a.side, "images": a.images}
    for mode in ("eval", "train"):
        net.double().load_state_dict(state)
        want = torch_pass(net, x, y, mode == "train")
        if not a.f32_only:
            got = bantam_pass(a, name, batch, "f64", mode)
            row[mode + "_f64_outputs"] = largest(got, want, "logits")
            if mode == "train":
                row["train_f64_gradients"], row["train_f64_statistics"] = largest(got, want, "grad."), largest(got, want, "after.")
        passes = {"": bantam_pass(a, name, batch, "f32", mode)}
        for layout, fmt in (("first", torch.contiguous_format), ("last", torch.channels_last)):
            net.double().load_state_dict(state)
            net.float().to(memory_format=fmt)
            passes["_pytorch_" + layout] = torch_pass(net, x.float().contiguous(memory_format=fmt), y, mode == "train")
        net.to(memory_format=torch.contiguous_format)
        for who, got in passes.items():
            row[mode + "_f32_outputs" + who] = largest(got, want, "logits")
            if mode == "train":
                row["train_f32_gradients" + who] = whole(got, want)
    return row


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("nets", nargs="*", default=["resnet18", "resnet50", "vgg11-torchvision", "vgg11_bn"])
    p.add_argument("--width", type=float, default=1.0)
    p.add_argument("--stem", default="imagenet")
    p.add_argument("--form", default="float")
    p.add_argument("--side", type=int, default=224)
    p.add_argument("--images", type=int, default=2)
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--seeds", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--f32-only", action="store_true", help="leave out bantam's f64, whose scalar definitions are slow")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    for name in a.nets:
        rows = []
        for seed in range(1, a.seeds + 1):
            rows.append(compare(a, name, seed))
            print(json.dumps(rows[-1]), flush=True)
        print(f"{name}, {a.side} px, {a.images} images: medians over {a.seeds} seeds, all f64 figures the largest")
        for k in [k for k in rows[0] if "_f" in k]:
            print(f"  {k:32s} {(max if 'f64' in k else statistics.median)(r[k] for r in rows):.1e}", flush=True)


if __name__ == "__main__":
    main()
