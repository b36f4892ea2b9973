"""Writes the ONNX and its parity files.

    python export.py WEIGHTS.pt OUT.onnx [--bias 0.0] [--parity FOLDER]

BatchNorm is folded into the convolutions here, so the graph holds nothing but
Conv, Relu, Add, Resize (nearest) and Sigmoid. `--bias` is added to the logit
of heat; it moves the score of every detection without changing their order.
"""

import argparse
import collections
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from network import Detector, Exported, Residual

NAMES = ["heat", "log_diameter", "mask"]


def fold(module):
    """Replaces every convolution followed by BatchNorm by one convolution."""
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential) and len(child) == 3 and isinstance(child[1], nn.BatchNorm3d):
            setattr(module, name, nn.Sequential(fuse_conv_bn_eval(child[0], child[1]), nn.ReLU()))
        else:
            fold(child)
    if isinstance(module, Residual):
        module.second = fuse_conv_bn_eval(module.second, module.norm)
        module.norm = nn.Identity()


def wave(size):
    """The parity input: a smooth pattern with a bright ball, the same everywhere."""
    z, y, x = np.meshgrid(*[np.arange(size, dtype=np.float64)] * 3, indexing="ij")
    image = 0.12 + 0.05 * np.sin(0.31 * z) * np.sin(0.47 * y + 1) * np.sin(0.23 * x + 2)
    ball = np.sqrt((z - 20.5) ** 2 + (y - 26.5) ** 2 + (x - 22.5) ** 2)
    return np.where(ball < 4.5, 0.73, image).astype(np.float32)[None, None]


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("weights", type=Path)
    args.add_argument("out", type=Path)
    args.add_argument("--bias", type=float, default=0.0)
    args.add_argument("--parity", type=Path)
    args = args.parse_args()

    net = Detector()
    net.load_state_dict(torch.load(args.weights))
    net = Exported(net, args.bias).eval()
    image = torch.from_numpy(wave(48))
    with torch.no_grad():
        plain = [part.numpy() for part in net(image)]
    fold(net)
    full = {0: "n", 2: "z", 3: "y", 4: "x"}
    half = {0: "n", 2: "z_half", 3: "y_half", 4: "x_half"}
    torch.onnx.export(
        net, image, str(args.out), opset_version=17, dynamo=False,
        input_names=["image"], output_names=NAMES,
        dynamic_axes={"image": full, "heat": half, "log_diameter": half, "mask": full},
    )
    model = onnx.load(args.out)
    # One channel; n, z, y and x vary.
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[1].dim_value = 1
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, args.out)
    session = onnxruntime.InferenceSession(args.out, providers=["CPUExecutionProvider"])
    parts = session.run(NAMES, {"image": image.numpy()})
    for name, ours, theirs in zip(NAMES, parts, plain):
        print(f"{name}: largest difference to PyTorch {np.abs(ours - theirs).max():.1e}, "
              f"values {ours.min():.3f} to {ours.max():.3f}")
    print("operators", dict(collections.Counter(node.op_type for node in model.graph.node)))
    print("opset", model.opset_import[0].version, "parameters", sum(p.numel() for p in net.detector.parameters()))
    print("sha256", hashlib.sha256(args.out.read_bytes()).hexdigest())
    if args.parity:
        args.parity.mkdir(parents=True, exist_ok=True)
        for name, part in zip(["input", *NAMES], [image.numpy(), *parts]):
            part.astype("<f4").tofile(args.parity / f"{name}.f32")


if __name__ == "__main__":
    main()
