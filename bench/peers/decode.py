"""JPEG files to crops for training, on one core: decode, random resized crop to 224, flip; bantam beside Pillow,
torchvision and OpenCV, whichever are installed.

    python3 bench/peers/decode.py IMAGES [--colors] [--rounds 7] [--bench build/bench/data_bench ...]

--colors: all that a recipe can ask for, up to the normalized f32 image: color jitter (brightness, contrast, saturation
0.4, hue 0.1), beside torchvision's; ours reads the file each time and does the lighting, too.

IMAGES is a folder of class folders. The files are read into memory first. All take turns in every round, on one thread
each, so that a machine whose speed wanders is fair to all; a figure is the median over rounds of images per second of
processor time, with the least and the largest. Several programs can be named, such as one built with -Djpeg=turbo. The
first line, stb_image alone (decoding, no crop), is the limit of a build with stb_image.
"""
import argparse
import io
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import time

SIDE = 224


def crop_box(height, width, rng):
    """torchvision's RandomResizedCrop.get_params: top, left, height, width."""
    for _ in range(10):
        target = height * width * rng.uniform(0.08, 1)
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
        if 0 < w <= width and 0 < h <= height:
            return rng.randint(0, height - h), rng.randint(0, width - w), h, w
    return 0, 0, height, width


def pillow(data, rng):
    from PIL import Image
    image = Image.open(io.BytesIO(data)).convert("RGB")
    top, left, h, w = crop_box(image.height, image.width, rng)
    image = image.crop((left, top, left + w, top + h)).resize((SIDE, SIDE), Image.BILINEAR)
    if rng.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    return image.tobytes()


JITTER = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
NORMALIZE = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])


def make_torchvision_v1(colors):
    import torch
    from PIL import Image
    from torchvision import transforms
    torch.set_num_threads(1)
    steps = [transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip()]
    if colors:
        steps += [transforms.ColorJitter(**JITTER), transforms.ToTensor(), transforms.Normalize(**NORMALIZE)]
    work = transforms.Compose(steps)
    if colors:
        return lambda data, rng: work(Image.open(io.BytesIO(data)).convert("RGB"))
    return lambda data, rng: work(Image.open(io.BytesIO(data)).convert("RGB")).tobytes()


def make_torchvision_v2(colors):
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms import v2
    torch.set_num_threads(1)
    steps = [v2.RandomResizedCrop(SIDE, antialias=True), v2.RandomHorizontalFlip()]
    if colors:
        steps += [v2.ColorJitter(**JITTER), v2.ToDtype(torch.float32, scale=True), v2.Normalize(**NORMALIZE)]
    work = v2.Compose(steps)
    return lambda data, rng: work(decode_jpeg(torch.frombuffer(data, dtype=torch.uint8), ImageReadMode.RGB))


def make_opencv():
    import cv2
    import numpy
    cv2.setNumThreads(1)

    def run(data, rng):
        image = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR)
        top, left, h, w = crop_box(image.shape[0], image.shape[1], rng)
        image = cv2.resize(image[top:top + h, left:left + w], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return cv2.flip(image, 1) if rng.random() < 0.5 else image

    return run  # does not antialias: another result, and less work


def ours(program, what, images):
    out = subprocess.run(
        [program, f"--benchmark_filter=^{what}$", "--benchmark_format=json", "--benchmark_min_time=0.5"],
        env=dict(os.environ, BANTAM_IMAGES=str(images)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        check=True).stdout
    run = json.loads(out)["benchmarks"][0]
    return 1e9 / run["cpu_time"]


def peer(run, files, rng):
    start, n = time.process_time(), 0
    while time.process_time() - start < 0.5:
        run(files[n % len(files)], rng)
        n += 1
    return n / (time.process_time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--colors", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--bench", nargs="+", default=["build/bench/data_bench"])
    args = parser.parse_args()
    files = [bytearray(p.read_bytes()) for p in sorted(args.images.glob("*/*"))]
    random.Random(0).shuffle(files)

    what = "sample/colors:2" if args.colors else "decode_crop_flip"
    contestants = {"stb_image alone": lambda: ours(args.bench[0], "stb_alone", args.images)}
    for program in args.bench:
        contestants["bantam, " + program] = lambda p=program: ours(p, what, args.images)
    rng = random.Random(1)
    peers = [("torchvision (v1, on Pillow)", lambda: make_torchvision_v1(args.colors)),
             ("torchvision (v2, tensors)", lambda: make_torchvision_v2(args.colors))]
    if not args.colors:
        peers = [("Pillow", lambda: pillow), *peers, ("OpenCV, no antialiasing", make_opencv)]
    for name, make in peers:
        try:
            run = make()
            run(files[0], rng)
        except ImportError as e:
            print(f"{name}: not here ({e})")
            continue
        contestants[name] = lambda r=run: peer(r, files, rng)

    rates = {name: [] for name in contestants}
    for _ in range(args.rounds):
        for name, measure in contestants.items():
            rates[name].append(measure())
    base = statistics.median(rates["stb_image alone"])
    print(f"{'images/s of one core':40s} {'median':>7s} {'min':>7s} {'max':>7s}  / stb_image alone")
    for name, r in rates.items():
        print(f"{name:40s} {statistics.median(r):7.0f} {min(r):7.0f} {max(r):7.0f}  {statistics.median(r) / base:.2f}")


main()
