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

/// Voxels of the tiles that go through a network at once. Four tiles of 128 x 128 x 128 fill even its deepest layers,
/// so more are expected to gain nothing; and cuDNN counts a layer's numbers in 31 bits. Not measured on a GPU.
const MOST_VOXELS: u64 = 4 << 21;

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
    /// Voxels of the tensor; 0 if it is there already.
    pub tensor_voxels: u64,
    /// Bytes of what tiles are put together in, over the whole tensor.
    pub sums_bytes: u64,
    /// Bytes that each tile of a batch needs: what goes in, what comes out, and what lies between the layers.
    pub tile_bytes: u64,
    /// Bytes that the network needs however many tiles there are: weights and libraries.
    pub fixed_bytes: u64,
    /// More tiles at once are of no use.
    pub most_tiles: usize,
}

/// Where the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The tensor and what becomes of it stay on the device.
    Whole {
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
    pub(crate) fn of(card: &Card, tiling: &Tiling) -> Self {
        let is_blended = matches!(card.tiles.join, Join::Overlap(_));
        let (mut sums_bytes, mut outputs) = (0, 0);
        for (_, stride) in card.head.outputs() {
            // A blend holds a sum and, when it is finished, their means.
            sums_bytes += voxels(tiling.covered.map(|n| n / stride)) * if is_blended { 8 } else { 4 };
            outputs += voxels(tiling.part().map(|n| n / stride)) * 4;
        }
        let most = usize::try_from(MOST_VOXELS / voxels(tiling.tile)).unwrap_or(usize::MAX).max(1);
        let tiles = tiling.starts.len().max(1);
        Self {
            tensor_voxels: 0,
            sums_bytes,
            tile_bytes: voxels(tiling.tile) * 4 + outputs,
            fixed_bytes: 0,
            // No fewer turns are needed for this many, and the last one is as full as can be.
            most_tiles: tiles.div_ceil(tiles.div_ceil(most)),
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
    /// How the network of `card` would run on a device with `free` bytes over a large study: a tensor of
    /// 400 x 400 x 600 mm.
    pub fn for_large_study(card: &Card, free: u64) -> Self {
        const EXTENT_MM: [f64; 3] = [600.0, 400.0, 400.0];
        let shape = std::array::from_fn(|axis| (EXTENT_MM[axis] / card.input.spacing_mm[axis]) as usize);
        let tiling = Tiling::new(&card.tiles, shape);
        let demand = Demand::of(card, &tiling).with_layers(card, &tiling);
        Self::new(free, &Demand { tensor_voxels: voxels(shape), ..demand })
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
            let taken = tensor.saturating_add(demand.sums_bytes).saturating_add(demand.fixed_bytes);
            let batch = batch_beside(taken);
            if batch > 0 {
                return Self::Whole { precision, batch };
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
            Self::Whole { precision, batch: batch @ 2.. } => Self::Whole { precision, batch: batch / 2 },
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
            Self::Whole { precision, batch } => {
                let bits = if precision == Precision::Half { " in 16 bits" } else { "" };
                write!(f, "all on the GPU{bits} with {} at once", tiles(batch))
            }
            Self::Tiles { batch } => {
                write!(f, "on the GPU but for the tensor, with {} at once", tiles(batch))
            }
            Self::Cpu => f.write_str("on the CPU"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A liver's tensor and tile: 1.2 GB between the layers.
    const LIVER: Demand = Demand {
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
            Plan::Whole { precision, .. } => {
                let tensor = demand.tensor_voxels * if precision == Precision::Half { 2 } else { 4 };
                tensor + demand.sums_bytes + tiles
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
        let whole = |batch| Plan::Whole { precision: Precision::Single, batch };
        check(80 * GIB, &LIVER, whole(8));
        check(8 * GIB, &LIVER, whole(5));
        check(6 * GIB, &LIVER, whole(4));
        check(4 * GIB, &LIVER, whole(2));
        check(2 * GIB, &LIVER, Plan::Tiles { batch: 1 });
        check(GIB, &LIVER, Plan::Cpu);
        check(0, &LIVER, Plan::Cpu);
    }

    #[test]
    fn a_large_tensor_is_halved_and_then_stays_on_the_host() {
        // 1 GiB of tensor in 32 bits, for a network of 1 GB.
        let large = Demand {
            tensor_voxels: 1 << 28,
            sums_bytes: 1 << 29,
            tile_bytes: 1 << 29,
            fixed_bytes: 1 << 29,
            most_tiles: 64,
        };
        check(6 * GIB, &large, Plan::Whole { precision: Precision::Single, batch: 7 });
        check(4 * GIB, &large, Plan::Whole { precision: Precision::Single, batch: 3 });
        check(5 * GIB / 2, &large, Plan::Whole { precision: Precision::Half, batch: 1 });
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

    #[test]
    fn turns_are_as_few_as_can_be_and_alike() {
        let card = Card::named("lung-nodule").unwrap();
        let most = |tile: [usize; 3], tiles: usize| {
            let starts = vec![[0; 3]; tiles];
            Demand::of(card, &Tiling { tile, border: [0; 3], starts, covered: tile }).most_tiles
        };
        let large = [128, 128, 128];
        assert_eq!([0, 1, 4, 5, 6, 9, 30].map(|tiles| most(large, tiles)), [1, 1, 4, 3, 3, 3, 4]);
        assert_eq!(most([512; 3], 5), 1);
        assert_eq!(most([8; 3], 1000), 1000);
    }

    #[test]
    fn no_layer_of_a_full_batch_has_more_numbers_than_31_bits_count() {
        for card in Card::catalog() {
            let bytes = MOST_VOXELS.max(voxels(card.tiles.shape)) * u64::from(card.tiles.bytes_per_voxel);
            assert!(bytes / 4 < 1 << 31, "{}", card.name);
        }
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
