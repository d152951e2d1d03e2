"""Milliseconds of one step, bantam and PyTorch alternating in the same run; memory; one table.

    step_time.py STEP_BENCH [ROW...] [--threads 2,1] [--rounds 8] [--out FILE.jsonl] [--set KEY=VALUE]...
    step_time.py --table FILE.jsonl > repro/STEPS.md
    step_time.py --list

STEP_BENCH is the program build/bench/step_bench; it tells what its recipe trains, and the same is built here in PyTorch
(nets.py). ROW is one of --list (all, if none is named) or any recipe. In each round every engine takes some steps in turn, and
sleeps before, so that the threads of the one before have stopped spinning. A step is forward, loss, backward and optimizer;
PyTorch runs with channels first and channels last and with its fused optimizers, and the faster median counts. Before and after
a row a probe tells whether the threads have cores of their own. An evaluation row also runs ONNX Runtime, if it is installed.
"""
import argparse
import datetime
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time

# name: (title, recipe, mode, overrides, at most, stretch): the last two are ratios to the fastest peer
RESNET18 = ["train.batch=128"]
ROWS = {
    "vgg11": ("VGG-11, CIFAR, batch 128", "vgg11-cifar10-float", "training", [], 0.62, 0.5),
    "resnet14": ("ResNet-14 1.25x, batch 128", "resnet14-cifar10-float", "training", [], 0.57, 0.45),
    "resnet18": ("ResNet-18, 200 classes, 64 px, batch 128", "resnet18-tinyimagenet", "training", RESNET18, 0.62, 0.5),
    "vgg11-bnn": ("VGG-11 BNN, batch 128", "vgg11-cifar10-bnn", "training", [], 0.45, 0.38),
    "resnet14-bnn": ("ResNet-14 1.25x BNN, batch 128", "resnet14-cifar10-bnn", "training", [], 0.45, 0.35),
    "lenet-64": ("LeNet-5, batch 64", "lenet-mnist", "training", ["train.batch=64"], {1: 0.45, 2: 0.35}, 0.25),
    "lenet-1": ("LeNet-5, batch 1", "lenet-mnist", "training", ["train.batch=1"], 0.08, 0.05),
    "sgd": ("SGD with momentum, 11 M parameters", "resnet18-tinyimagenet", "update", ["optimizer.name=sgd"], 1.0, None),
    "adam": ("Adam, 11 M parameters", "resnet18-tinyimagenet", "update", ["optimizer.name=adam"], 1.0, None),
    "resnet14-eval": ("ResNet-14 1.25x, evaluation, batch 32", "resnet14-cifar10-float", "evaluation", ["train.batch=32"], 1.0, 0.75),
}
SLEEP = 0.3         # seconds between engines
ROUND_MS = 60       # an engine's turn takes at least so long, if its steps are short
WAIT_FOR_CORES = 20  # probes before a row is timed anyway


class Bantam:
    def __init__(self, program, recipe, mode, threads, overrides):
        command = [program, recipe, "--mode", mode, "--threads", str(threads)]
        for o in overrides:
            command += ["--set", o]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.child.args[0]} ended")
        return answer.strip()

    def steps(self, n):
        return [float(t) for t in self.ask(f"step {n}").split()]

    def probe(self):
        return [float(v) for v in self.ask("probe").split()]

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def torch_model(d, fmt):
    import forms
    import nets
    width = d["width"] if d["net"] not in ("lenet", "quickstart") else None
    return nets.make(d["net"], forms.form_of(d), width, d["classes"], d["stem"]).to(memory_format=fmt)


def torch_optimizer(d, parameters):
    import torch
    if d["optimizer"] == "sgd":
        return torch.optim.SGD(parameters, 1e-4, momentum=d["momentum"], nesterov=d["nesterov"],
                               weight_decay=d["weight_decay"], fused=True)
    return torch.optim.Adam(parameters, 1e-4, weight_decay=d["weight_decay"], fused=True)


def torch_step(d, mode, last):
    """A function that takes one step."""
    import torch
    import torch.nn.functional as F
    torch.manual_seed(0)
    fmt = torch.channels_last if last else torch.contiguous_format
    net = torch_model(d, fmt)
    if mode == "update":
        parameters = list(net.parameters())
        for p in parameters:
            p.grad = torch.randn_like(p) * 0.03
        return torch_optimizer(d, parameters).step
    x = torch.randn(d["batch"], d["c"], d["h"], d["w"]).contiguous(memory_format=fmt)
    if mode == "evaluation":
        net.eval()

        def evaluate():
            with torch.inference_mode():
                net(x)
        return evaluate
    net.train()
    y = torch.randint(0, d["classes"], (d["batch"],))
    optimizer = torch_optimizer(d, net.parameters())

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y, label_smoothing=d["label_smoothing"]).backward()
        optimizer.step()
    return step


def onnx_step(d):
    """Or None where ONNX Runtime is not installed."""
    try:
        import io

        import onnxruntime
        import torch
        net, file = torch_model(d, torch.contiguous_format).eval(), io.BytesIO()
        x = torch.randn(d["batch"], d["c"], d["h"], d["w"])
        torch.onnx.export(net, (x,), file, dynamo=False, input_names=["x"])
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = d["threads"]
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    feed = {"x": x.numpy()}
    return lambda: session.run(None, feed)


def timed(step, n):
    times = []
    for _ in range(n):
        t = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - t))
    return times


def wait_for_cores(bantam, threads):
    for _ in range(WAIT_FOR_CORES if threads > 1 else 1):
        one, everyone = bantam.probe()
        if everyone > 0.85 * threads * one:
            break
        time.sleep(0.5)
    return [round(2 * one), round(2 * everyone)]


def torch_memory(argument):
    """In a process of its own: MiB that a step takes above what the import of torch did."""
    d, mode = json.loads(argument)
    import torch
    torch.set_num_threads(d["threads"])
    torch.randn(4, 4).mm(torch.randn(4, 4))
    # Not getrusage: its maximum includes what the parent had when it forked.
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    before = peak_resident_kib()
    step = torch_step(d, mode, d["last"])
    for _ in range(3):
        step()
    print((peak_resident_kib() - before) / 1024)


def peak_resident_kib():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


def measure(a, name, threads):
    import torch
    title, recipe, mode, overrides, most, stretch = ROWS.get(name, (name, name, "training", [], None, None))
    torch.set_num_threads(threads)
    bantam = Bantam(a.program, recipe, mode, threads, overrides + a.set)
    d = json.loads(bantam.ask("describe"))
    engines = {"bantam": bantam.steps}
    for label, last in (("pytorch channels first", False), ("pytorch channels last", True)):
        if not (last and mode == "update"):
            engines[label] = lambda n, step=torch_step(d, mode, last): timed(step, n)
    if mode == "evaluation" and (step := onnx_step(d)):
        engines["onnxruntime"] = lambda n, step=step: timed(step, n)

    inner = {}
    for label, run in engines.items():
        run(2)
        last = min(run(2))
        inner[label] = max(1, min(100, int(ROUND_MS / last)))
        run(min(inner[label], 20))
    before = wait_for_cores(bantam, threads)
    times = {label: [] for label in engines}
    gc.disable()
    for _ in range(a.rounds):
        for label, run in engines.items():
            time.sleep(SLEEP)
            times[label] += run(inner[label])
    gc.enable()
    time.sleep(SLEEP)
    after = [round(2 * v) for v in bantam.probe()]

    result = {k: {"median": statistics.median(v), "min": min(v), "max": max(v), "n": len(v)} for k, v in times.items()}
    peers = {k: v["median"] for k, v in result.items() if k != "bantam"}
    peer = min(peers, key=peers.get)
    row = {"row": name, "title": title, "recipe": recipe, "mode": mode, "batch": d["batch"], "threads": threads,
           "optimizer": d["optimizer"], "set": overrides + a.set, "engines": result, "peer": peer,
           "ratio": result["bantam"]["median"] / peers[peer],
           "ratio_of_minima": result["bantam"]["min"] / min(v["min"] for k, v in result.items() if k != "bantam"),
           "at_most": most[threads] if isinstance(most, dict) and threads in most else None if isinstance(most, dict) else most,
           "stretch": stretch, "probe_gflops_before": before, "probe_gflops_after": after}
    if mode == "training":
        row["bantam_pool_mib"] = int(bantam.ask("memory")) / 2**20
    bantam.close()
    if mode == "training":
        argument = json.dumps([{**d, "last": peer.endswith("last")}, mode])
        row["pytorch_rss_mib"] = float(subprocess.run([sys.executable, __file__, "--torch-memory", argument], check=True,
                                                      capture_output=True, text=True).stdout)
    row.update(torch=torch.__version__, machine=machine(), date=datetime.date.today().isoformat(),
               load=round(os.getloadavg()[0], 2))
    return row


def machine():
    with open("/proc/cpuinfo") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return f"{os.cpu_count()} x {models[0] if models else platform.machine()}"


def ms(v):
    return f"{v:.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2f}" if v >= 1 else f"{v:.3f}"


def span(e):
    return f"{ms(e['median'])} ({ms(e['min'])} - {ms(e['max'])}, {e['n']})"


def own_cores(row):
    return row["threads"] == 1 or all(b > 0.85 * row["threads"] * o for o, b in (row["probe_gflops_before"], row["probe_gflops_after"]))


def table(rows):
    """The last measurement of each row and number of threads."""
    last = {(r["row"], r["threads"]): r for r in rows}
    out = ["| step | threads | bantam, ms: median (min - max, runs) | fastest peer, ms | peer | ratio | at most | stretch | "
           "bantam pool, MiB | PyTorch RSS, MiB |", "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|"]
    order = {name: i for i, name in enumerate(ROWS)}
    doubtful = False
    for r in sorted(last.values(), key=lambda r: (order.get(r["row"], len(order)), r["row"], r["threads"])):
        cell = lambda v, f: "-" if v is None else format(v, f)
        mark = "" if own_cores(r) else " *"
        doubtful |= bool(mark)
        out.append(f"| {r['title']} | {r['threads']} | {span(r['engines']['bantam'])} | {span(r['engines'][r['peer']])} | "
                   f"{r['peer']} | {r['ratio']:.2f}{mark} | {cell(r['at_most'], 'g')} | {cell(r['stretch'], 'g')} | "
                   f"{cell(r.get('bantam_pool_mib'), '.1f')} | {cell(r.get('pytorch_rss_mib'), '.0f')} |")
    some = list(last.values())
    out += ["", "PyTorch " + ", ".join(sorted({r["torch"] for r in some})) + "; " + ", ".join(sorted({r["machine"] for r in some})) +
            "; " + ", ".join(sorted({r["date"] for r in some})) + ". Made by `bench/peers/step_time.py`.",
            "Bantam's memory is the pool's high-water mark over a step, with parameters, optimizer state and the batch; PyTorch's is the "
            "growth of the process above the import of torch."]
    if doubtful:
        out.append("* The threads did not have cores of their own before or after this row (probe): the ratio tells little.")
    return "\n".join(out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program", nargs="?")
    p.add_argument("rows", nargs="*")
    p.add_argument("--threads", default="2,1")
    p.add_argument("--rounds", type=int, default=8)
    p.add_argument("--set", action="append", default=[], help="of the recipes, as for `bantam train`")
    p.add_argument("--out", help="appends a JSON line a row")
    p.add_argument("--table", metavar="FILE")
    p.add_argument("--list", action="store_true")
    p.add_argument("--torch-memory", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.torch_memory:
        return torch_memory(a.torch_memory)
    if a.list:
        return print("\n".join(f"{name:14s} {row[0]}" for name, row in ROWS.items()))
    if a.table:
        with open(a.table) as f:
            return print(table([json.loads(line) for line in f]))
    if not a.program:
        p.error("STEP_BENCH is missing")
    done = []
    for name in a.rows or ROWS:
        for threads in map(int, a.threads.split(",")):
            row = measure(a, name, threads)
            done.append(row)
            for label, e in row["engines"].items():
                print(f"{row['title']}, {threads} threads, {label:22s} {span(e)}", flush=True)
            print(f"  ratio {row['ratio']:.3f}, of minima {row['ratio_of_minima']:.3f}; probe {row['probe_gflops_before']} {row['probe_gflops_after']} GFLOP/s", flush=True)
            if a.out:
                with open(a.out, "a") as f:
                    f.write(json.dumps(row) + "\n")
    print("\n" + table(done))


main()
