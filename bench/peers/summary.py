"""Makes the summary CSV of runs of both engines: one row a run.

    summary.py RUN ... > repro/accuracy.csv

A RUN is a run folder of `bantam train`, or the folder of train_like.py (with the exchange folder in RUN/exchange).
"""
import csv
import json
import pathlib
import sys
import tomllib

import forms


def row(folder):
    peer = (folder / "exchange" / "recipe.toml").exists()
    with open(folder / ("exchange/recipe.toml" if peer else "recipe.toml"), "rb") as f:
        r = tomllib.load(f)
    top1, log = [], folder / "log.jsonl"
    for line in log.read_text().splitlines() if log.exists() else ():
        e = json.loads(line)
        if peer and "test_top1" in e:
            top1.append(e["test_top1"])
        elif not peer and e.get("event") == "epoch" and (e.get("eval") or {}).get("split") == "test":
            top1.append(100 * e["eval"]["top1"])
    if len(top1) != r["train"]["epochs"]:
        print(f"{folder}: {len(top1)} of {r['train']['epochs']} epochs done, left out", file=sys.stderr)
        return None
    m = r["model"]
    return {"net": m["name"], "form": forms.form_of(r["quant"]), "width": m.get("width", ""), "seed": r["train"]["seed"],
            "engine": "pytorch" if peer else "bantam", "epochs": len(top1), "top1": f"{top1[-1]:.2f}",
            "top1_by_epoch": " ".join(f"{v:.2f}" for v in top1)}


def main():
    rows = [r for r in (row(pathlib.Path(a)) for a in sys.argv[1:]) if r]
    rows.sort(key=lambda r: (r["net"], r["form"], r["seed"], r["engine"]))
    w = csv.DictWriter(sys.stdout, ["net", "form", "width", "seed", "engine", "epochs", "top1", "top1_by_epoch"], lineterminator="\n")
    w.writeheader()
    w.writerows(rows)


main()
