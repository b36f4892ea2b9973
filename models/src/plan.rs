//! How a network's work is fitted into a device's memory.
//!
//! Pure arithmetic, so that it can be tried for cards that are not at hand. It is an estimate: what is out of memory all
//! the same goes one step down, see [`Plan::smaller`]. A step costs time and changes nothing of what is found; only
//! [`Precision::Half`] rounds, and is taken before tiles travel one by one.

use crate::card::{Card, Join};
use crate::tiles::Tiling;

/// What CUDA, cuDNN and cuBLAS take of a device for their own code and tables. Not measured here; PyTorch and ONNX
/// Runtime are seen to take 500 to 700 MiB.
const LIBRARY_BYTES: u64 = 768 << 20;

/// What cuDNN works in, as a multiple of what lies between the layers. A guess on the safe side: being wrong costs a
/// step down.
const WORKSPACE: u64 = 2;

/// This share of what is free is left alone: memory comes in pieces, and pieces do not fit without a gap.
const SPARE_SHARE: u64 = 16;

/// Slices of a slab. Fewer would be uploaded more often than they are worth: neighbouring slabs overlap by some.
const LEAST_SLAB: usize = 16;

/// How the numbers of a tensor are kept on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    Single,
    /// 16 bits; the network gets 32 all the same.
    Half,
}

impl Precision {
    fn bytes(self) -> u64 {
        match self {
            Self::Single => 4,
            Self::Half => 2,
        }
    }
}

/// What is to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Slices of the stored volume.
    pub slices: usize,
    /// Bytes of each of them.
    pub slice_bytes: u64,
    /// Voxels of the tensor.
    pub tensor_voxels: u64,
    /// Bytes of what tiles are put together in, over the whole tensor.
    pub sums_bytes: u64,
    /// Bytes that each tile of a batch needs: what goes in, what comes out, and what lies between the layers.
    pub tile_bytes: u64,
    /// Bytes that the network needs however many tiles there are: weights and libraries.
    pub fixed_bytes: u64,
    /// As many tiles as there are, or as the network takes at once.
    pub most_tiles: usize,
}

/// Where the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The tensor and what becomes of it stay on the device.
    Whole {
        /// So many slices of the stored volume are uploaded at a time.
        slab: usize,
        /// How the tensor is kept.
        precision: Precision,
        /// Tiles at once.
        batch: usize,
    },
    /// Only tiles go to the device, and come back.
    Tiles {
        /// Tiles at once.
        batch: usize,
    },
    /// The device is too small even for one tile.
    Cpu,
}

impl Demand {
    /// What the kernels need around a network of `card` that computes elsewhere; the tensor is there already.
    pub(crate) fn of(card: &Card, tiling: &Tiling, most_tiles: usize) -> Self {
        let is_blended = matches!(card.tiles.join, Join::Overlap(_));
        let (mut sums_bytes, mut outputs) = (0, 0);
        for (_, stride) in card.head.outputs() {
            // A blend holds a sum and, when it is finished, their means.
            sums_bytes += voxels(tiling.covered.map(|n| n / stride)) * if is_blended { 8 } else { 4 };
            outputs += voxels(tiling.part().map(|n| n / stride)) * 4;
        }
        Self {
            slices: 0,
            slice_bytes: 0,
            tensor_voxels: 0,
            sums_bytes,
            tile_bytes: voxels(tiling.tile) * 4 + outputs,
            fixed_bytes: 0,
            most_tiles: most_tiles.max(1),
        }
    }

    /// And what its layers need, where they compute there too; without the weights.
    pub(crate) fn with_layers(self, card: &Card, tiling: &Tiling) -> Self {
        let between = voxels(tiling.tile) * u64::from(card.tiles.bytes_per_voxel) * WORKSPACE;
        Self { tile_bytes: self.tile_bytes + between, fixed_bytes: LIBRARY_BYTES, ..self }
    }
}

fn voxels(shape: [usize; 3]) -> u64 {
    shape.iter().map(|&n| n as u64).product()
}

impl Plan {
    /// How the network of `card` would run on a device with `free` bytes over a large study: 600 slices of 512 x 512,
    /// and a tensor of 400 x 400 x 600 mm.
    pub fn for_large_study(card: &Card, free: u64) -> Self {
        const EXTENT_MM: [f64; 3] = [600.0, 400.0, 400.0];
        let shape = std::array::from_fn(|axis| (EXTENT_MM[axis] / card.input.spacing_mm[axis]) as usize);
        let tiling = Tiling::new(&card.tiles, shape);
        let demand = Demand::of(card, &tiling, 1).with_layers(card, &tiling);
        let stored =
            Demand { slices: 600, slice_bytes: 512 * 512 * 2, tensor_voxels: voxels(shape), ..demand };
        Self::new(free, &stored)
    }

    /// The quickest way that fits into `free` bytes.
    pub fn new(free: u64, demand: &Demand) -> Self {
        let room = free - free / SPARE_SHARE;
        let batch_beside = |taken: u64| {
            let left = room.saturating_sub(taken);
            usize::try_from(left / demand.tile_bytes.max(1)).unwrap_or(usize::MAX).min(demand.most_tiles)
        };
        for precision in [Precision::Single, Precision::Half] {
            let tensor = demand.tensor_voxels.saturating_mul(precision.bytes());
            let left = room.saturating_sub(tensor);
            let slab = usize::try_from(left / demand.slice_bytes.max(1)).unwrap_or(usize::MAX);
            let slab = slab.min(demand.slices);
            let taken = tensor.saturating_add(demand.sums_bytes).saturating_add(demand.fixed_bytes);
            let batch = batch_beside(taken);
            if slab >= LEAST_SLAB.min(demand.slices) && batch > 0 {
                return Self::Whole { slab, precision, batch };
            }
        }
        match batch_beside(demand.fixed_bytes) {
            0 => Self::Cpu,
            batch => Self::Tiles { batch },
        }
    }

    /// The next way that needs less: half as many tiles at once, then the tensor on the host, then the CPU.
    pub fn smaller(self) -> Self {
        match self {
            Self::Whole { slab, precision, batch: batch @ 2.. } => {
                Self::Whole { slab, precision, batch: batch / 2 }
            }
            Self::Whole { .. } => Self::Tiles { batch: 1 },
            Self::Tiles { batch: batch @ 2.. } => Self::Tiles { batch: batch / 2 },
            Self::Tiles { .. } | Self::Cpu => Self::Cpu,
        }
    }

    /// Tiles at once on the device.
    pub fn batch(self) -> usize {
        match self {
            Self::Whole { batch, .. } | Self::Tiles { batch } => batch,
            Self::Cpu => 0,
        }
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tiles = |batch: usize| if batch == 1 { "1 tile".to_owned() } else { format!("{batch} tiles") };
        match *self {
            Self::Whole { slab, precision, batch } => {
                let bits = precision.bytes() * 8;
                write!(
                    f,
                    "all on the GPU, {} at once, {slab} slices at a time, {bits}-bit tensor",
                    tiles(batch)
                )
            }
            Self::Tiles { batch } => write!(f, "on the GPU tile by tile, {} at once", tiles(batch)),
            Self::Cpu => f.write_str("on the CPU"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// 600 slices of 512 x 512 as a liver's tensor and tile: 1.2 GB between the layers.
    const LIVER: Demand = Demand {
        slices: 600,
        slice_bytes: 512 * 512 * 2,
        tensor_voxels: 300 * 200 * 200,
        sums_bytes: 300 * 200 * 200 * 8,
        tile_bytes: 1_200_000_000,
        fixed_bytes: 768 << 20,
        most_tiles: 8,
    };

    /// What the plan takes at its peak, by hand.
    fn needed(plan: Plan, demand: &Demand) -> u64 {
        let tiles = demand.fixed_bytes + plan.batch() as u64 * demand.tile_bytes;
        match plan {
            Plan::Whole { slab, precision, .. } => {
                let tensor = demand.tensor_voxels * if precision == Precision::Half { 2 } else { 4 };
                (tensor + slab as u64 * demand.slice_bytes).max(tensor + demand.sums_bytes + tiles)
            }
            Plan::Tiles { .. } => tiles,
            Plan::Cpu => 0,
        }
    }

    #[track_caller]
    fn check(free: u64, demand: &Demand, expected: Plan) {
        let found = Plan::new(free, demand);
        assert_eq!(found, expected);
        assert!(needed(found, demand) <= free, "{found} needs {} of {free}", needed(found, demand));
    }

    #[test]
    fn the_batch_shrinks_with_the_memory_and_a_small_device_leaves_it_to_the_cpu() {
        let whole = |slab, batch| Plan::Whole { slab, precision: Precision::Single, batch };
        check(80 * GIB, &LIVER, whole(600, 8));
        check(8 * GIB, &LIVER, whole(600, 5));
        check(6 * GIB, &LIVER, whole(600, 4));
        check(4 * GIB, &LIVER, whole(600, 2));
        check(2 * GIB, &LIVER, Plan::Tiles { batch: 1 });
        check(GIB, &LIVER, Plan::Cpu);
        check(0, &LIVER, Plan::Cpu);
    }

    #[test]
    fn a_large_tensor_is_halved_and_then_stays_on_the_host() {
        // 1 GiB of tensor in 32 bits, and a stored volume of 4 GiB, for a network of 1 GB.
        let large = Demand {
            slices: 4096,
            slice_bytes: 1 << 20,
            tensor_voxels: 1 << 28,
            sums_bytes: 1 << 29,
            tile_bytes: 1 << 29,
            fixed_bytes: 1 << 29,
            most_tiles: 64,
        };
        check(6 * GIB, &large, Plan::Whole { slab: 4096, precision: Precision::Single, batch: 7 });
        check(4 * GIB, &large, Plan::Whole { slab: 2816, precision: Precision::Single, batch: 3 });
        check(5 * GIB / 2, &large, Plan::Whole { slab: 1888, precision: Precision::Half, batch: 1 });
        check(2 * GIB, &large, Plan::Tiles { batch: 2 });
        check(GIB, &large, Plan::Cpu);
    }

    #[test]
    fn no_plan_needs_more_than_is_free() {
        for free in (0..400).map(|step| step * (GIB / 20)) {
            for tensor_voxels in [1, 1 << 22, 1 << 26, 1 << 30] {
                for tile_bytes in [1 << 20, 1 << 28, 3 << 30] {
                    for sums_bytes in [0, 1 << 27, 1 << 32] {
                        let demand = Demand { tensor_voxels, sums_bytes, tile_bytes, ..LIVER };
                        let plan = Plan::new(free, &demand);
                        assert!(needed(plan, &demand) <= free, "{plan} in {free}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_step_down_needs_less_and_the_last_is_the_cpu() {
        let mut plan = Plan::new(80 * GIB, &LIVER);
        let mut batches = Vec::new();
        while plan != Plan::Cpu {
            let smaller = plan.smaller();
            assert!(needed(smaller, &LIVER) < needed(plan, &LIVER));
            batches.push(plan.batch());
            plan = smaller;
        }
        assert_eq!(batches, [8, 4, 2, 1, 1]);
        assert_eq!(Plan::Cpu.smaller(), Plan::Cpu);
    }

    /// 8, 6 and 4 GB: what is free of them while a desktop runs.
    #[test]
    fn every_network_runs_on_common_devices() {
        for card in Card::catalog() {
            for free in [80 * GIB, 7 * GIB, 5 * GIB, 7 * GIB / 2] {
                let plan = Plan::for_large_study(card, free);
                assert!(matches!(plan, Plan::Whole { .. } | Plan::Tiles { .. }), "{}: {plan}", card.name);
            }
            assert_eq!(Plan::for_large_study(card, GIB / 2), Plan::Cpu);
        }
    }

    #[test]
    fn numbers_beyond_all_bounds_are_left_to_the_cpu() {
        let endless = Demand { tensor_voxels: u64::MAX, sums_bytes: u64::MAX, tile_bytes: u64::MAX, ..LIVER };
        check(80 * GIB, &endless, Plan::Cpu);
    }
}
