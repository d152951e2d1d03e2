"""What a training step has to compute and to move, on paper: per kind of node, and where it stands under the roof of a machine.

    roofline.py BANTAM RECIPE [--batch N] [--set KEY=VALUE ...] [--peak GFLOP/s] [--bandwidth GB/s] [--nodes]

BANTAM is the program; the net comes from `bantam info --json`. Operations are those of the algorithm that nn/ would take for the
products (two for each multiply-add; Winograd F(2x2) needs 16/36 of a direct convolution's, plus its transforms' additions);
binary forward passes are counted apart. Bytes are the least a pass moves if nothing stays in a cache from one pass to the next:
every tensor it reads or writes, once, f32; signs are bits. The roof: min(peak, intensity * bandwidth); --peak and --bandwidth of
one thread are printed by `bantam bench RECIPE` and by build/bench/elementwise_bench (its copy rate).
"""
import argparse
import json
import math
import subprocess

BITS = 1 / 8  # bytes of a sign


def net(a, batch):
    command = [a.bantam, "info", a.recipe, "--json"] + [x for s in a.set for x in ("--set", s)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def passes(info, n, adam):
    """(node, kind, pass, operations, bytes) of a step."""
    shape = {v["name"]: v["output"] for v in info["nodes"]}
    size = {k: n * math.prod(v) for k, v in shape.items()}
    trained = False
    for v in info["nodes"]:
        name, kind, y = v["name"], v["kind"], size[v["name"]]
        if kind == "input":
            continue
        x = size[v["inputs"][0]]
        if v["macs"]:
            weights, macs, binary = v["parameters"], n * v["macs"], v["binary"]
            fan_in = v["macs"] // math.prod(v["output"])
            c = shape[v["inputs"][0]][-1]
            same = kind == "conv" and shape[v["inputs"][0]][:2] == v["output"][:2] and fan_in == 9 * c
            tiles = n * math.prod(-(-d // 2) for d in v["output"][:2]) if same else 0
            fast = same and c >= 32 and v["output"][-1] >= 32 and tiles >= 256
            # F(2x2): 16 products a tile and channel pair; 32 additions a tile and input channel, 24 a tile and output channel.
            ops = 32 * tiles * c * v["output"][-1] + tiles * (32 * c + 24 * v["output"][-1]) if fast else 2 * macs
            if same and not fast and c >= 128:  # taps outside the image are skipped
                ops = ops * math.prod(3 * d - 2 for d in v["output"][:2]) // math.prod(3 * d for d in v["output"][:2])
            word = BITS if binary else 4
            label = ("winograd" if fast else "direct") if kind == "conv" else kind
            if binary:
                yield name, "xnor", "forward", 0, x * BITS + weights * 4 + 4 * y
            else:
                yield name, label, "forward", ops, 4 * (x + weights + y)
            if trained:
                yield name, label, "input gradient", ops, 4 * (y + weights + x)
            yield name, label, "weight gradient", ops, x * word + 4 * (y + weights)
            trained = True
        elif kind == "batch_norm":
            yield name, "norm", "forward", 6 * y, 4 * 3 * y  # two passes: statistics; normalize (the activation with it)
            yield name, "norm", "backward", 10 * y, 4 * 5 * y  # sums of two; gradient of three
            trained = True
        elif kind == "max_pool":
            yield name, "pool", "forward", x, 4 * (x + y) + y
            yield name, "pool", "backward", x, 4 * (x + y) + y
        elif kind == "add":
            yield name, "add", "forward", y, 4 * 3 * y
    p = info["parameters"]
    yield "optimizer", "optimizer", "update", (12 if adam else 4) * p, 4 * (7 if adam else 5) * p


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bantam")
    p.add_argument("recipe")
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--set", action="append", default=[])
    p.add_argument("--peak", type=float, default=286)
    p.add_argument("--bandwidth", type=float, default=25)
    p.add_argument("--nodes", action="store_true", help="a row for each pass of each node")
    a = p.parse_args()
    info = net(a, a.batch)
    rows = {}
    for name, kind, what, ops, moved in passes(info, a.batch, 'name = "adam"' in info["recipe"]):
        r = rows.setdefault((name, what) if a.nodes else (kind, what), [0, 0, 0])
        r[0] += ops
        r[1] += moved
        r[2] += max(ops / a.peak / 1e6, moved / a.bandwidth / 1e6)
    print(f"| {'node' if a.nodes else 'kind'} | pass | Gop | MB | op / byte | bound by | ms at the roof |")
    print("|---|---|--:|--:|--:|---|--:|")
    for (name, what), (ops, moved, ms) in rows.items():
        bound = "arithmetic" if ops / a.peak > moved / a.bandwidth else "memory"
        print(f"| {name} | {what} | {ops / 1e9:.2f} | {moved / 1e6:.1f} | {ops / moved:.1f} | {bound} | {ms:.2f} |")
    total = [sum(r[i] for r in rows.values()) for i in range(3)]
    print(f"| all | | {total[0] / 1e9:.2f} | {total[1] / 1e6:.1f} | {total[0] / total[1]:.1f} | | {total[2]:.2f} |")


main()
