"""Trains the detector.

    python train.py BACKGROUNDS OUT.pt --minutes 40 [--patients A,B] [--start IN.pt] [--seed 1]

BACKGROUNDS is what prepare.py wrote. Two processes paint patches while this
one trains; a patch is used `--reuse` times (flipped anew), since painting
costs more than a step. The clock ends the run, so the seed fixes the patches
and the first weights but not the number of steps; the log states it.
"""

import argparse
import multiprocessing
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import patches
from network import Detector

PARTS = {"LIDC-IDRI-0001": 0.33, "C3N-00247": 0.33, "chest": 0.34}
SIZES = [(48, 8), (64, 3)]


def painter(folder, patients, seed, number, queue):
    """Fills the queue with batches of patches of one size, for ever."""
    rng = np.random.default_rng([seed, number, 7])
    groups, shares = [], []
    for name, share in PARTS.items():
        if name == "chest" or name in patients:
            groups.append([patches.load(p) for p in sorted(folder.glob(f"{name}_*.npz"))])
            shares.append(share)
    shares = np.array(shares) / sum(shares)
    while True:
        size, count = SIZES[rng.choice(len(SIZES), p=[0.65, 0.35])]
        drawn = [patches.draw(rng, groups[rng.choice(len(groups), p=shares)], size) for _ in range(count)]
        queue.put([np.stack(part)[:, None].astype(np.float32) for part in zip(*drawn)])


def turned(batch, rng):
    """The batch, mirrored along random axes and at times with x and y exchanged."""
    axes = [axis for axis in (2, 3, 4) if rng.random() < 0.5]
    batch = [torch.flip(part, axes) for part in batch]
    if rng.random() < 0.3:
        batch = [part.transpose(3, 4) for part in batch]
    image, *targets = batch
    return image.contiguous(memory_format=torch.channels_last_3d), targets


def losses(outputs, targets):
    heat_logit, log_d, mask_logit = (o.float() for o in outputs)
    heat, true_log_d, weight, mask = targets
    peak = (heat > 0.99).float()
    p = torch.sigmoid(heat_logit)
    yes, no = F.logsigmoid(heat_logit), F.logsigmoid(-heat_logit)
    # CenterNet's focal loss with a softer focus on the negatives (p^1.5), so
    # that the quiet background is pressed below 0.05 too.
    spots = -(peak * (1 - p) ** 2 * yes + (1 - peak) * (1 - heat) ** 4 * p**1.5 * no).sum()
    spots = spots / peak.sum().clamp(min=1)
    size = (F.smooth_l1_loss(log_d, true_log_d, beta=0.1, reduction="none") * weight).sum()
    size = size / weight.sum().clamp(min=1)
    share = torch.sigmoid(mask_logit)
    dice = 1 - (2 * (share * mask).sum() + 10) / (share.sum() + mask.sum() + 10)
    fine = F.binary_cross_entropy_with_logits(mask_logit, mask) * 20 + dice
    return spots, size, fine


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("backgrounds", type=Path)
    args.add_argument("out", type=Path)
    args.add_argument("--minutes", type=float, default=40)
    args.add_argument("--patients", default="LIDC-IDRI-0001,C3N-00247")
    args.add_argument("--start", type=Path)
    args.add_argument("--rate", type=float, default=2.5e-3)
    args.add_argument("--reuse", type=int, default=2)
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)

    context = multiprocessing.get_context("spawn")
    queue = context.Queue(maxsize=12)
    for number in range(2):
        context.Process(
            target=painter,
            args=(args.backgrounds, args.patients.split(","), args.seed, number, queue),
            daemon=True,
        ).start()

    net = Detector().to(memory_format=torch.channels_last_3d)
    if args.start:
        net.load_state_dict(torch.load(args.start))
    mean = {k: v.clone() for k, v in net.state_dict().items()}
    optimiser = torch.optim.AdamW(net.parameters(), args.rate, weight_decay=1e-4)
    pool, log, step, begin = [], [], 0, None
    while True:
        # Keep a pool of batches; wait only while it is empty.
        while not pool or (len(pool) < 24 and not queue.empty()):
            pool.append([[torch.from_numpy(part) for part in queue.get()], args.reuse])
        begin = begin or time.time()
        done = (time.time() - begin) / (args.minutes * 60)
        if done >= 1:
            break
        pick = rng.randrange(len(pool))
        batch, pool[pick][1] = pool[pick][0], pool[pick][1] - 1
        if pool[pick][1] == 0:
            pool.pop(pick)
        image, targets = turned(batch, rng)
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1, (step + 1) / 50) * (0.01 + 0.495 * (1 + np.cos(np.pi * done)))
        with torch.autocast("cpu", torch.bfloat16):
            outputs = net(image)
        spots, size, fine = losses(outputs, targets)
        optimiser.zero_grad(set_to_none=True)
        (spots + size * 1.5 + fine * 0.5).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        step += 1
        keep = min(0.995, 1 - 1 / (step + 1))
        for key, value in net.state_dict().items():
            if value.dtype.is_floating_point:
                mean[key].mul_(keep).add_(value, alpha=1 - keep)
            else:
                mean[key].copy_(value)
        log.append((spots.item(), size.item(), fine.item()))
        if step % 50 == 0:
            spots, size, fine = np.mean(log[-50:], 0)
            print(f"step {step} minute {done * args.minutes:.1f} heat {spots:.3f} size {size:.4f} "
                  f"mask {fine:.3f} pool {len(pool)}", flush=True)
            torch.save(mean, args.out)
    torch.save(mean, args.out)
    print("done", step, "steps")


if __name__ == "__main__":
    main()
