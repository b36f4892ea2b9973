"""Trains the detector.

    python train.py BACKGROUNDS OUT.pt [--minutes 36] [--patients A,B] [--seed 7]

BACKGROUNDS is what prepare.py wrote. The clock ends the run (and shapes the
learning rate), so the seed fixes the first weights and the patches, but not
the number of steps; the last line of the log states it.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from network import Detector
from patches import Background, draw

# How often each kind of background is drawn.
SHARES = {"LIDC-IDRI-0001": 0.4, "C3N-00247": 0.25, "chest": 0.35}
RATE = 2.5e-3


class Patches(torch.utils.data.IterableDataset):
    def __init__(self, groups, shares, seed):
        self.groups, self.shares, self.seed = groups, shares, seed

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id])
        while True:
            group = self.groups[rng.choice(len(self.groups), p=self.shares)]
            yield draw(rng, group[rng.integers(len(group))])


def losses(net, batch):
    image, heat, true_log_diameter, counts, true_mask = [part[:, None] for part in batch]
    with torch.autocast("cpu", torch.bfloat16):
        outputs = net(image.to(memory_format=torch.channels_last_3d))
    spot, log_diameter, mask = [part.float() for part in outputs]
    # CenterNet's focal loss: cells near a centre count less as negatives.
    p = torch.sigmoid(spot).clamp(1e-5, 1 - 1e-5)
    peak = (heat > 0.99).float()
    spot = -(
        peak * (1 - p) ** 2 * torch.log(p) + (1 - peak) * (1 - heat) ** 4 * p**2 * torch.log(1 - p)
    ).sum() / peak.sum().clamp(min=1)
    size = ((log_diameter - true_log_diameter).abs() * counts).sum() / counts.sum().clamp(min=1)
    share = torch.sigmoid(mask)
    dice = 1 - (2 * (share * true_mask).sum() + 1) / (share.sum() + true_mask.sum() + 1)
    return spot, size, 3 * F.binary_cross_entropy_with_logits(mask, true_mask) + dice


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("backgrounds", type=Path)
    args.add_argument("out", type=Path)
    args.add_argument("--minutes", type=float, default=36)
    args.add_argument("--patients", default="LIDC-IDRI-0001,C3N-00247")
    args.add_argument("--batch", type=int, default=6)
    args.add_argument("--seed", type=int, default=7)
    args = args.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)

    names = [name for name in SHARES if name == "chest" or name in args.patients.split(",")]
    groups = [[Background(p) for p in sorted(args.backgrounds.glob(f"{name}_*.npz"))] for name in names]
    shares = np.array([SHARES[name] for name in names])
    patches = Patches(groups, shares / shares.sum(), args.seed)
    stream = iter(torch.utils.data.DataLoader(patches, args.batch, num_workers=1, prefetch_factor=4))

    net = Detector().to(memory_format=torch.channels_last_3d)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-4)
    begin, step, log = time.time(), 0, []
    while (done := (time.time() - begin) / (args.minutes * 60)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 40) * (0.5 * (1 + np.cos(np.pi * done)) + 0.01)
        spot, size, mask = losses(net, next(stream))
        optimiser.zero_grad()
        (spot + 0.3 * size + 0.7 * mask).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        step += 1
        log.append([spot.item(), size.item(), mask.item()])
        if step % 50 == 0:
            spot, size, mask = np.mean(log[-50:], 0)
            print(f"step {step} minute {done * args.minutes:.1f} spot {spot:.3f} size {size:.3f} mask {mask:.3f}",
                  flush=True)
            torch.save(net.state_dict(), args.out)
    torch.save(net.state_dict(), args.out)
    print("done", step, "steps")


if __name__ == "__main__":
    main()
