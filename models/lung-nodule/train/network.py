"""The network: a small 3-D U-shaped detector with three heads.

Strides of two are made by 2x2x2 convolutions, so a cell of the half-resolution
grid lies exactly between its two input voxels on every axis: cell a has its
centre at input index 2 a + 0.5. BatchNorm is folded into the convolutions at
export; nothing in the graph looks at the whole tile.
"""

import torch
from torch import nn
import torch.nn.functional as F


def conv(inputs, outputs, kernel=3, stride=1):
    """Convolution, BatchNorm, ReLU."""
    padding = 1 if kernel == 3 else 0
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = conv(channels, channels)
        self.second = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(channels)

    def forward(self, x):
        return F.relu(x + self.norm(self.second(self.first(x))))


def up(x):
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Detector(nn.Module):
    """[n, 1, z, y, x] in 0..1 -> logits of heat, log diameter, logits of mask."""

    def __init__(self):
        super().__init__()
        self.stem = conv(1, 8)
        self.to2 = conv(8, 16, kernel=2, stride=2)
        self.at2 = Residual(16)
        self.to4 = conv(16, 32, kernel=2, stride=2)
        self.at4 = nn.Sequential(Residual(32), Residual(32))
        self.to8 = conv(32, 64, kernel=2, stride=2)
        # Three blocks at stride 8 see 70 mm to each side: more than a 45 mm mass.
        self.at8 = nn.Sequential(Residual(64), Residual(64), Residual(64))
        self.from8 = nn.Conv3d(64, 32, 1)
        self.back4 = conv(32, 32)
        self.from4 = nn.Conv3d(32, 16, 1)
        self.back2 = conv(16, 16)
        self.spot = conv(16, 16)
        self.spot_out = nn.Conv3d(16, 2, 1)
        self.from2 = nn.Conv3d(16, 8, 1)
        self.fine = conv(8, 8)
        self.fine_out = nn.Conv3d(8, 1, 1)
        # Nodules are rare: start from "no" everywhere.
        nn.init.constant_(self.spot_out.bias[:1], -4.0)
        nn.init.constant_(self.fine_out.bias, -4.0)

    def features(self, image):
        """What the heads of heat and size read, and the logits of mask."""
        full = self.stem(image)
        half = self.at2(self.to2(full))
        quarter = self.at4(self.to4(half))
        eighth = self.at8(self.to8(quarter))
        quarter = self.back4(quarter + up(self.from8(eighth)))
        half = self.back2(half + up(self.from4(quarter)))
        return self.spot(half), self.fine_out(self.fine(F.relu(full + up(self.from2(half)))))

    def forward(self, image):
        spot, mask = self.features(image)
        spot = self.spot_out(spot)
        return spot[:, :1], spot[:, 1:], mask


class Exported(nn.Module):
    """What the ONNX holds: `bias` is added to the logit of heat (calibration)."""

    def __init__(self, detector, bias):
        super().__init__()
        self.detector = detector
        heat, log_diameter = nn.Conv3d(16, 1, 1), nn.Conv3d(16, 1, 1)
        with torch.no_grad():
            for row, single in enumerate((heat, log_diameter)):
                single.weight.copy_(detector.spot_out.weight[row : row + 1])
                single.bias.copy_(detector.spot_out.bias[row : row + 1])
            heat.bias += bias
        # One convolution for each head: no Slice in the graph.
        self.heat, self.log_diameter = heat, log_diameter

    def forward(self, image):
        spot, mask = self.detector.features(image)
        return torch.sigmoid(self.heat(spot)), self.log_diameter(spot), torch.sigmoid(mask)
