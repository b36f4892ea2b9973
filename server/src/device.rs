//! Which device computes: asked for on the command line or in the configuration, opened, and told in the report.

use std::fmt;
use std::str::FromStr;

use kernels::Device;
use kernels::gpu::{Gpu, Options};
use models::{Places, Provider, Runtime};
use serde::de::{Deserialize, Deserializer, Error};

/// Where to compute, and with how much memory there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub(crate) struct Wanted {
    /// Where to compute: cpu, cuda, cuda:N, or auto (a GPU that is ready to be used, else the CPU)
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub(crate) device: Choice,

    /// Use no more than this of the GPU's memory, such as 6GiB or 6000MiB [default: all that is free]
    #[arg(long, value_name = "SIZE")]
    pub(crate) gpu_memory: Option<Size>,
}

/// A device as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Choice {
    /// A GPU that is ready to be used, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// This one in the driver's order, or it is an error.
    Cuda(usize),
}

/// A number of bytes, written in GiB or MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) bytes: u64,
}

/// A device that is ready, and ONNX Runtime with it.
pub(crate) struct Ready {
    pub(crate) device: Device,
    pub(crate) runtime: Runtime,
    /// Why it is not the GPU, where that was not asked for.
    why_not: Option<String>,
}

impl Wanted {
    /// Opens the device and finds ONNX Runtime, which is fetched from PyPI if it is missing.
    ///
    /// What a GPU needs (1.9 GB) is fetched only if one was asked for by name.
    pub(crate) fn open(
        self,
        places: &mut Places,
        progress: &dyn Fn(models::Progress<'_>),
    ) -> anyhow::Result<Ready> {
        let (device, why_not) = match self.device {
            Choice::Cpu => (Device::Cpu, None),
            Choice::Cuda(ordinal) => (Device::Cuda(Gpu::open(self.options(ordinal, places))?), None),
            Choice::Auto => match self.usable(places) {
                Ok(gpu) => (Device::Cuda(gpu), None),
                Err(why) => (Device::Cpu, Some(why)),
            },
        };
        places.cuda = matches!(device, Device::Cuda(_));
        let runtime = Runtime::find(places, progress)?;
        Ok(Ready { device, runtime, why_not })
    }

    /// The GPU, if there is one and all that it needs is at hand; else why not, as half a sentence.
    fn usable(self, places: &Places) -> Result<Gpu, String> {
        let gpu = Gpu::open(self.options(0, places)).map_err(|error| error.to_string())?;
        let with_cuda = Places { cuda: true, ..places.clone() };
        if !with_cuda.has_cuda() || !with_cuda.missing_for_cuda().is_empty() {
            let name = &gpu.info().name;
            return Err(format!(
                "{name} is not used, since ONNX Runtime with CUDA is not installed (`foci models --fetch --device cuda` \
                 fetches it)"
            ));
        }
        Ok(gpu)
    }

    fn options(self, ordinal: usize, places: &Places) -> Options {
        let memory_bytes = self.gpu_memory.map(|size| size.bytes);
        Options { ordinal, memory_bytes, cache: Some(places.cache.folder().join("kernels")) }
    }
}

impl Ready {
    /// The library, its version and where it computes, for the report.
    pub(crate) fn describe(&self) -> String {
        let (version, provider) = (self.runtime.version(), self.runtime.provider());
        match (&self.device, &self.why_not) {
            (Device::Cuda(gpu), _) if provider == Provider::Cuda => {
                format!("ONNX Runtime {version} (CUDA on {})", gpu.info().name)
            }
            (Device::Cuda(gpu), _) => {
                let name = &gpu.info().name;
                format!("ONNX Runtime {version} ({}); CUDA kernels on {name}", provider.as_str())
            }
            (_, Some(why)) => format!("ONNX Runtime {version} ({}); {why}", provider.as_str()),
            _ => format!("ONNX Runtime {version} ({})", provider.as_str()),
        }
    }
}

impl Choice {
    /// Whether a process that computes there may reserve far more addresses than memory, as CUDA does.
    pub(crate) fn may_be_gpu(self) -> bool {
        match self {
            Self::Cpu => false,
            Self::Cuda(_) => true,
            Self::Auto => kernels::gpu::list().is_ok_and(|found| !found.is_empty()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let ordinal = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
                ordinal.map(Self::Cuda).ok_or_else(|| format!("{text:?} is not auto, cpu, cuda or cuda:N"))
            }
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}MiB", self.bytes >> 20)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("GiB", f64::from(1 << 30)), ("MiB", f64::from(1 << 20))];
        let read = |(unit, bytes)| {
            let number: f64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            // A part of a MiB would not be told, and of nothing nobody can compute.
            (number.is_finite() && number * bytes >= f64::from(1 << 20))
                .then_some(Self { bytes: (number * bytes) as u64 })
        };
        let size = units.into_iter().find_map(read);
        size.ok_or_else(|| format!("{text:?} is no size (6GiB, 1.5GiB, 6000MiB)"))
    }
}

/// For serde: a `T`, or `Some` of it, that is written as on the command line.
pub(crate) fn from_text<'de, T, R, D>(from: D) -> Result<R, D::Error>
where
    T: FromStr<Err = String>,
    R: From<T>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(from)?;
    text.parse::<T>().map(R::from).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_written_as_they_are_read() {
        for text in ["auto", "cpu", "cuda", "cuda:1"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        assert_eq!("cuda:0".parse(), Ok(Choice::Cuda(0)));
        for text in ["", "gpu", "cuda:", "cuda:-1", "CUDA", "cuda:1.5"] {
            assert!(
                text.parse::<Choice>().unwrap_err().contains("is not auto, cpu, cuda or cuda:N"),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        let bytes = |text: &str| text.parse::<Size>().map(|size| size.bytes);
        assert_eq!(bytes("6GiB"), Ok(6 << 30));
        assert_eq!(bytes("1.5 GiB"), Ok(3 << 29));
        assert_eq!(bytes("700MiB"), Ok(700 << 20));
        for text in ["", "6", "6GB", "-1GiB", "0MiB", "nanGiB", "infGiB", "GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
