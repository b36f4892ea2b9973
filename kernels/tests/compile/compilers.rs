//! CUDA's compilers out of the wheels that `.ci/peers` installs: NVRTC (source to PTX) and ptxas (PTX to
//! machine code). Neither needs a GPU or a driver.

use std::path::{Path, PathBuf};
use std::process::Command;

use kernels::gpu::nvrtc::Nvrtc;

/// One version of CUDA.
pub(crate) struct Compilers {
    pub(crate) nvrtc: Nvrtc,
    ptxas: PathBuf,
}

/// What one kernel takes of a GPU, as ptxas tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// 32-bit registers of each thread.
    pub(crate) registers: u32,
    /// Bytes of shared memory of each block.
    pub(crate) shared: u32,
    /// Bytes of each thread's stack, which lies in slow memory.
    pub(crate) stack: u32,
    /// Bytes written and read because registers ran out.
    pub(crate) spilled: u32,
}

impl Used {
    /// The larger of each.
    pub(crate) fn most(self, other: Self) -> Self {
        Self {
            registers: self.registers.max(other.registers),
            shared: self.shared.max(other.shared),
            stack: self.stack.max(other.stack),
            spilled: self.spilled.max(other.spilled),
        }
    }
}

impl Compilers {
    /// CUDA 12 and 13 as `.ci/peers` installs them, or what is missing.
    pub(crate) fn find() -> Result<[Self; 2], String> {
        let named = std::env::var_os("FOCI_PEERS").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foci-peers"));
        let peers = named.or(home).ok_or("neither FOCI_PEERS nor HOME is set")?;
        // One folder for each version of Python.
        let pythons = std::fs::read_dir(peers.join("lib")).into_iter().flatten().flatten();
        let nvidia = pythons.map(|python| python.path().join("site-packages/nvidia")).find(|it| it.exists());
        let nvidia = nvidia.ok_or("CUDA's compilers are not installed: run .ci/peers")?;
        let open = |nvrtc: &str, ptxas: &str| {
            let ptxas = nvidia.join(ptxas);
            if !ptxas.exists() {
                return Err(format!("there is no {}: run .ci/peers", ptxas.display()));
            }
            let nvrtc = Nvrtc::open(&nvidia.join(nvrtc));
            nvrtc.map(|nvrtc| Self { nvrtc, ptxas }).map_err(|error| format!("{error}: run .ci/peers"))
        };
        Ok([
            open("cuda_nvrtc/lib/libnvrtc.so.12", "cuda_nvcc/bin/ptxas")?,
            open("cu13/lib/libnvrtc.so.13", "cu13/bin/ptxas")?,
        ])
    }

    /// The compute capabilities in question that this version knows: CUDA 13 begins with 7.5.
    pub(crate) fn architectures(&self) -> impl Iterator<Item = (u32, u32)> {
        crate::ARCHITECTURES.into_iter().filter(|arch| self.nvrtc.architectures().contains(arch))
    }

    /// What each kernel in `ptx` takes of a GPU of `arch`, in the order of their names, or the assembler's
    /// complaint.
    pub(crate) fn assemble(&self, ptx: &Path, arch: (u32, u32)) -> Result<Vec<(String, Used)>, String> {
        let arch = format!("--gpu-name=sm_{}{}", arch.0, arch.1);
        let options = [&*arch, "--verbose", "--output-file=/dev/null"];
        let ran = Command::new(&self.ptxas).args(options).arg(ptx).output();
        let ran = ran.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        if ran.status.success() { Ok(kernels_in(&said)) } else { Err(said) }
    }
}

/// What `ptxas --verbose` said of each kernel. Functions that were not inlined count to the kernel before.
fn kernels_in(said: &str) -> Vec<(String, Used)> {
    let mut kernels: Vec<(String, Used)> = Vec::new();
    for line in said.lines() {
        if let Some(name) = line.split("Compiling entry function '").nth(1) {
            kernels.push((name.split('\'').next().unwrap_or_default().to_owned(), Used::default()));
        }
        let Some((_, used)) = kernels.last_mut() else { continue };
        let before = |unit: &str| {
            let number = line.split(unit).next().filter(|number| number.len() < line.len())?;
            number.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        used.registers = used.registers.max(before(" registers").unwrap_or(0));
        used.shared = used.shared.max(before(" bytes smem").unwrap_or(0));
        used.stack = used.stack.max(before(" bytes stack frame").unwrap_or(0));
        used.spilled +=
            before(" bytes spill stores").unwrap_or(0) + before(" bytes spill loads").unwrap_or(0);
    }
    kernels.sort_by(|(a, _), (b, _)| a.cmp(b));
    kernels
}

#[test]
fn what_ptxas_says_is_read() {
    let said = "ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'window' for 'sm_70'
ptxas info    : Function properties for window
    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 18 registers, used 1 barriers, 1024 bytes smem, 384 bytes cmem[0]
ptxas info    : Compiling entry function 'fill' for 'sm_70'
ptxas info    : Function properties for fill
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 7 registers, 360 bytes cmem[0]
";
    let window = Used { registers: 18, shared: 1024, stack: 16, spilled: 12 };
    let fill = Used { registers: 7, ..Used::default() };
    assert_eq!(kernels_in(said), [("fill".to_owned(), fill), ("window".to_owned(), window)]);
}
