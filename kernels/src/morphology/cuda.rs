//! The same on a device.

use cudarc::driver::PushKernelArg;

use crate::bits::DeviceBits;
use crate::gpu::{Memory, blocks, refused};
use crate::{Error, Neighbours};

/// Threads of a block.
const BLOCK: [u32; 3] = [256, 1, 1];

/// What is done to masks on the host, on a device; errors are those of the kernels and of memory.
impl DeviceBits {
    /// See [`dilate`](super::dilate).
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room, [`Error::Driver`] or [`Error::Kernel`] if the device
    /// failed.
    pub fn dilated(self, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        self.stepped(neighbours, times, true)
    }

    /// See [`erode`](super::erode).
    ///
    /// # Errors
    ///
    /// As [`Self::dilated`].
    pub fn eroded(self, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        self.stepped(neighbours, times, false)
    }

    fn stepped(mut self, neighbours: Neighbours, times: usize, grow: bool) -> Result<Self, Error> {
        if self.words.is_empty() || times == 0 {
            return Ok(self);
        }
        // SAFETY: the kernel sets all of it.
        let mut next = unsafe { self.room()? };
        let kernel = self.gpu().kernel("morphology", "morphology_step")?;
        let count = match neighbours {
            Neighbours::Six => 6_u32,
            Neighbours::Eighteen => 18,
            Neighbours::TwentySix => 26,
        };
        let ([slices, rows, stride, last], grow) = (self.sizes(), u32::from(grow));
        for _ in 0..times {
            let mut launch = self.gpu().stream().launch_builder(&kernel);
            launch.arg(&mut next.words.slice).arg(&self.words.slice).arg(&slices).arg(&rows).arg(&stride);
            launch.arg(&last).arg(&count).arg(&grow);
            // SAFETY: the arguments are those of morphology.cu, and both masks are of that shape.
            unsafe { launch.launch(blocks([self.words.len(), 1, 1], BLOCK)) }.map_err(refused)?;
            std::mem::swap(&mut self, &mut next);
        }
        Ok(self)
    }

    /// See `Bits::reached`.
    pub(super) fn reached(self, reach: &[(isize, isize, usize)]) -> Result<Self, Error> {
        if self.words.is_empty() {
            return Ok(self);
        }
        let gpu = self.gpu().clone();
        let mut found = Self { words: gpu.zeros(self.words.len())?, shape: self.shape };
        // SAFETY: the kernel sets all of it before it is read.
        let mut next = unsafe { self.room()? };
        let (add, widen) =
            (gpu.kernel("morphology", "morphology_reach")?, gpu.kernel("morphology", "morphology_widen")?);
        let ([slices, rows, stride, last], blocks) = (self.sizes(), blocks([self.words.len(), 1, 1], BLOCK));
        let mut wide = self;
        for distance in 0..=reach.iter().map(|step| step.2).max().unwrap_or(0) {
            if distance > 0 {
                let mut launch = gpu.stream().launch_builder(&widen);
                launch.arg(&mut next.words.slice).arg(&wide.words.slice).arg(&slices).arg(&rows).arg(&stride);
                // SAFETY: the arguments are those of morphology.cu, and both masks are of that shape.
                unsafe { launch.launch(blocks) }.map_err(refused)?;
                std::mem::swap(&mut wide, &mut next);
            }
            let steps = reach.iter().filter(|step| step.2 == distance);
            let steps: Vec<i32> = steps.flat_map(|&(dk, dj, _)| [dk as i32, dj as i32]).collect();
            if steps.is_empty() {
                continue;
            }
            let (steps, count): (Memory<i32>, _) = (gpu.upload(&steps)?, (steps.len() / 2) as u32);
            let mut launch = gpu.stream().launch_builder(&add);
            launch.arg(&mut found.words.slice).arg(&wide.words.slice).arg(&slices).arg(&rows).arg(&stride);
            launch.arg(&last).arg(&steps.slice).arg(&count);
            // SAFETY: the arguments are those of morphology.cu, and both masks are of that shape.
            unsafe { launch.launch(blocks) }.map_err(refused)?;
        }
        Ok(found)
    }

    /// See [`Bits::inverted`](crate::bits::Bits::inverted).
    ///
    /// # Errors
    ///
    /// As [`Self::dilated`].
    pub fn inverted(mut self) -> Result<Self, Error> {
        let (count, [_, _, stride, last]) = (self.words.len(), self.sizes());
        if count > 0 {
            let gpu = self.gpu().clone();
            let kernel = gpu.kernel("morphology", "morphology_invert")?;
            let size = count as u64;
            let mut launch = gpu.stream().launch_builder(&kernel);
            launch.arg(&mut self.words.slice).arg(&size).arg(&stride).arg(&last);
            // SAFETY: the arguments are those of morphology.cu.
            unsafe { launch.launch(blocks([count, 1, 1], BLOCK)) }.map_err(refused)?;
        }
        Ok(self)
    }

    /// See [`fill`](super::fill).
    ///
    /// # Errors
    ///
    /// As [`Self::dilated`].
    pub fn filled(self) -> Result<Self, Error> {
        self.flooded(false)
    }

    /// See [`Bits::filled_by_slice`](crate::bits::Bits::filled_by_slice).
    ///
    /// # Errors
    ///
    /// As [`Self::dilated`].
    pub fn filled_by_slice(self) -> Result<Self, Error> {
        self.flooded(true)
    }

    fn flooded(self, by_slice: bool) -> Result<Self, Error> {
        if self.words.is_empty() {
            return Ok(self);
        }
        let free = self.inverted()?;
        let gpu = free.gpu().clone();
        // SAFETY: the first kernel sets all of it.
        let mut open = unsafe { free.room()? };
        let ([slices, rows, stride, _], alone) = (free.sizes(), u32::from(by_slice));
        let last_column = 1_u64 << ((free.shape[2] - 1) % 64);
        let start = gpu.kernel("morphology", "morphology_flood_start")?;
        let mut launch = gpu.stream().launch_builder(&start);
        launch.arg(&mut open.words.slice).arg(&free.words.slice).arg(&slices).arg(&rows).arg(&stride);
        launch.arg(&last_column).arg(&alone);
        // SAFETY: the arguments are those of morphology.cu, and both masks are of that shape.
        unsafe { launch.launch(blocks([free.shape[0] * free.shape[1], 1, 1], BLOCK)) }.map_err(refused)?;
        let run = gpu.kernel("morphology", "morphology_flood")?;
        loop {
            let mut changed = gpu.zeros::<u32>(1)?;
            let mut launch = gpu.stream().launch_builder(&run);
            launch.arg(&mut open.words.slice).arg(&free.words.slice).arg(&mut changed.slice);
            launch.arg(&slices).arg(&rows).arg(&stride).arg(&alone);
            // SAFETY: as above, with one block for each slice.
            unsafe { launch.launch(blocks([free.shape[0] * BLOCK[0] as usize, 1, 1], BLOCK)) }
                .map_err(refused)?;
            if changed.download()? == [0] {
                return open.inverted();
            }
        }
    }

    /// Slices, rows, words of a row, and the bits of its last word that are voxels.
    fn sizes(&self) -> [u64; 4] {
        let [slices, rows, columns] = self.shape;
        let last = if columns.is_multiple_of(64) { u64::MAX } else { (1 << (columns % 64)) - 1 };
        [slices as u64, rows as u64, self.stride() as u64, last]
    }
}
