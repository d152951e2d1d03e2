"""The batches that bantam's loader makes (data/loader.h, data/transforms.h), bit for bit, in numpy."""
import pathlib

import numpy as np

from philox import AUGMENT, SHUFFLE, Rng


def read_cifar10(folder, split):
    """u8 [n,32,32,3] and labels, from the "binary version": records of a label and three planes."""
    folder = pathlib.Path(folder)
    if (folder / "cifar-10-batches-bin").is_dir():
        folder = folder / "cifar-10-batches-bin"
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    raw = np.concatenate([np.fromfile(folder / n, np.uint8).reshape(-1, 3073) for n in names])
    return np.ascontiguousarray(raw[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), raw[:, 0].astype(np.int64)


class Batches:
    def __init__(self, images, labels, *, batch, mean, std, seed=0, shuffle=False, pad=0, flip=False):
        self.images, self.labels, self.batch, self.seed, self.shuffle = images, labels, batch, seed, shuffle
        self.pad, self.flip = pad, flip
        c = images.shape[3]
        # (i / 255 - mean) / std in f64, rounded once
        self.table = np.stack([((np.arange(256) / 255.0 - m) / s).astype(np.float32)
                               for m, s in zip(mean * (c // len(mean)), std * (c // len(std)))])
        self.steps = -(-len(labels) // batch)
        self._order = (None, None)

    def order(self, epoch):
        if self._order[0] != epoch:
            n = len(self.labels)
            p = Rng(self.seed, SHUFFLE, epoch).permutation(n) if self.shuffle else np.arange(n)
            self._order = (epoch, p)
        return self._order[1]

    def make(self, epoch, step):
        """indices [n], x f32 [n,H,W,C], labels [n]"""
        index = self.order(epoch)[step * self.batch:(step + 1) * self.batch]
        images = self.images[index]
        if self.pad or self.flip:
            rng, (h, w) = Rng(self.seed, AUGMENT, epoch, index), images.shape[1:3]
            p = self.pad
            dy, dx = rng.below(0, 2 * p + 1), rng.below(1, 2 * p + 1)  # from 0 to 2p in the padded image
            padded = np.pad(images, ((0, 0), (p, p), (p, p), (0, 0)))
            x = np.broadcast_to(np.arange(w), (len(index), w))
            if self.flip:
                x = np.where((rng.below(2, 2) == 1)[:, None], w - 1 - x, x)
            rows, columns = dy[:, None] + np.arange(h), dx[:, None] + x
            images = padded[np.arange(len(index))[:, None, None], rows[:, :, None], columns[:, None, :]]
        return index, self.table[np.arange(images.shape[3]), images], self.labels[index]
