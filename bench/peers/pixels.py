"""The pixels that a net sees, bantam's beside torchvision's on PIL images: decode, Resize(256), CenterCrop(224).

    python3 bench/peers/pixels.py IMAGES [--bantam build/bantam ...]

IMAGES is a folder of class folders. A build with -Djpeg=turbo has the very bytes; one with stb_image differs by what its
decoder rounds otherwise. Needs torch, torchvision, safetensors.
"""
import argparse
import fractions
import pathlib
import subprocess
import tempfile

import numpy
from PIL import Image
from safetensors.numpy import load_file
from torchvision import transforms

OPTIONS = ["data.name=image-folder", "data.image_size=224", "data.eval_resize=256", "data.crop=pad", "data.flip=false",
           "data.brightness=0", "data.contrast=0", "data.saturation=0", "data.lighting=0", "data.mean=0", "data.stddev=1",
           "data.holdout=1"]


def dealt(folder):
    """The files in the order of data/image_folder.h."""
    places = []
    for label, name in enumerate(sorted(p.name for p in folder.iterdir() if p.is_dir())):
        files = sorted((folder / name).iterdir(), key=lambda p: p.name)
        places += [(fractions.Fraction(2 * k + 1, 2 * len(files)), label, f) for k, f in enumerate(files)]
    return [f for _, _, f in sorted(places, key=lambda p: p[:2])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--bantam", nargs="+", default=["build/bantam"])
    args = parser.parse_args()
    files = dealt(args.images)
    work = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    for program in args.bantam:
        with tempfile.TemporaryDirectory() as out:
            command = [program, "batches", "resnet18-tinyimagenet", "--data", str(args.images), "--out", out, "--batch", "50", "--steps", "3"]
            subprocess.run(command + [a for o in OPTIONS for a in ("--set", o)], check=True, stdout=subprocess.DEVNULL)
            batches = load_file(out + "/batches.safetensors")
        differences = []
        for step in range(sum(name.startswith("indices.") for name in batches)):
            for index, x in zip(batches[f"indices.{step}"], batches[f"x.{step}"]):
                want = numpy.asarray(work(Image.open(files[index]).convert("RGB")), dtype=int)
                differences.append(numpy.abs(numpy.rint(x * 255).astype(int) - want))
        d = numpy.stack(differences)
        print(f"{program}: {len(d)} images, largest difference {d.max()}, mean {d.mean():.3f}, "
              f"equal {100 * (d == 0).mean():.2f} %, within 1 {100 * (d <= 1).mean():.2f} %")


main()
