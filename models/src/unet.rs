//! The two 3-D U-Nets of pyliverlesionseg, written as ONNX from their Keras weights.
//!
//! The package holds weights and no graph that another program could read, so the layers are laid out
//! here as its `architectures/unet_generalized.py` lays them out: numbered convolutions, each but the
//! first of the network after an instance normalisation and a leaky rectifier. Keras keeps kernels as
//! x, y, z, in, out; ONNX wants out, in, x, y, z.
//!
//! Where the original joins two tensors along their channels, convolves and thereby reads both, this
//! graph convolves each with its share of the kernel and adds the two: the same sum, and the largest
//! tensor of the network is never made. And all biases but the last are left out: they shift whole
//! channels, which the next normalisation takes off again. Without them the means are smaller and
//! rounding costs a third of what it does with them.
//!
//! Source: PyPI `pyliverlesionseg` 0.3, KU Leuven, Apache-2.0.

use std::collections::BTreeSet;

use hdf5_reader::Hdf5File;
use ndarray::{ArrayD, Axis, IxDyn, Slice};

use crate::error::Error;
use crate::onnx::{Attribute, Graph};

/// Added to the variance. Keras divides by the standard deviation + 1e-7, which this equals to 1e-6.
const EPSILON: f32 = 1e-12;
/// What the rectifier keeps of negative values.
const LEAK: f32 = 0.01;

/// Which of the networks is in the HDF5 file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// The whole liver: padded convolutions, three poolings by 3, output 13 voxels smaller on each side.
    PyliverlesionsegLiver,
    /// Lesions in the liver: unpadded convolutions, residual blocks, three poolings by 2, output 44, 44
    /// and 22 voxels smaller on each side.
    PyliverlesionsegLesion,
}

impl Topology {
    /// The ONNX file with the weights in `hdf5`: `image` in, `prob` out, both `[n, 1, x, y, z]`.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] when the file is no HDF5, or a layer is missing or of another shape.
    pub(crate) fn build(self, hdf5: Vec<u8>) -> Result<Vec<u8>, Error> {
        let (name, convolutions, padded) = match self {
            Self::PyliverlesionsegLiver => ("pyliverlesionseg-liver", 15, true),
            Self::PyliverlesionsegLesion => ("pyliverlesionseg-lesion", 21, false),
        };
        let layers = read(hdf5, convolutions)?;
        let mut net = Net { layers, padded, graph: Graph::default(), widths: BTreeSet::new(), constants: 0 };
        let last = match self {
            Self::PyliverlesionsegLiver => net.liver()?,
            Self::PyliverlesionsegLesion => net.lesion()?,
        };
        net.graph.node_named("Sigmoid", &[&last.name], "prob", &[]);
        for width in net.widths {
            net.graph.floats(&format!("ones_{width}"), &[width], std::iter::repeat_n(1.0, width));
            net.graph.floats(&format!("zeros_{width}"), &[width], std::iter::repeat_n(0.0, width));
        }
        Ok(net.graph.into_file(name, "image", "prob"))
    }
}

/// One convolution: the kernel as out, in, x, y, z, and the bias.
struct Layer {
    kernel: ArrayD<f32>,
    bias: ArrayD<f32>,
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::Weights(format!("the HDF5 file is not the expected network: {what}"))
}

fn read(hdf5: Vec<u8>, convolutions: usize) -> Result<Vec<Layer>, Error> {
    let file = Hdf5File::from_vec(hdf5).map_err(wrong)?;
    let tensor = |path: String| file.dataset(&path).and_then(|d| d.read_array::<f32>()).map_err(wrong);
    (1..=convolutions)
        .map(|n| {
            let kernel = tensor(format!("conv3d_{n}/conv3d_{n}/kernel:0"))?;
            let bias = tensor(format!("conv3d_{n}/conv3d_{n}/bias:0"))?;
            if kernel.ndim() != 5 || bias.shape() != [kernel.shape()[4]] {
                return Err(wrong(format_args!("convolution {n} is {:?}", kernel.shape())));
            }
            Ok(Layer { kernel: kernel.permuted_axes(IxDyn(&[4, 3, 0, 1, 2])), bias })
        })
        .collect()
}

/// A tensor in the graph.
#[derive(Clone)]
struct Tensor {
    name: String,
    channels: usize,
}

struct Net {
    layers: Vec<Layer>,
    /// Whether convolutions keep the size by adding zeros around their input.
    padded: bool,
    graph: Graph,
    /// The numbers of channels that are normalised somewhere.
    widths: BTreeSet<usize>,
    /// How many unnamed constants there are so far.
    constants: usize,
}

impl Net {
    fn liver(&mut self) -> Result<Tensor, Error> {
        let image = Tensor { name: "image".into(), channels: 1 };
        let mut level = self.convolve(&[image], 0)?;
        level = self.normal_convolve(&[level], 1)?;
        let mut skips = Vec::new();
        for (down, margin) in [(2, 13), (4, 4), (6, 1)] {
            skips.push(self.crop(&level, [margin; 3]));
            level = self.pool(&level, 3);
            level = self.normal_convolve(&[level], down)?;
            level = self.normal_convolve(&[level], down + 1)?;
        }
        for up in [8, 10, 12] {
            let skip = skips.pop().expect("there is one for each way up");
            let above = self.enlarge(&level, 3);
            let above = self.smooth(&above);
            level = self.normal_convolve(&[skip, above], up)?;
            level = self.normal_convolve(&[level], up + 1)?;
        }
        self.normal_convolve(&[level], 14)
    }

    fn lesion(&mut self) -> Result<Tensor, Error> {
        let image = Tensor { name: "image".into(), channels: 1 };
        let first = self.convolve(std::slice::from_ref(&image), 0)?;
        let first = self.normal_convolve(&[first], 1)?;
        let mut level = self.residual(first, &[image], Some(2))?;
        let mut skips = Vec::new();
        for (down, shortcut, margin) in
            [(3, Some(5), [40, 40, 20]), (6, Some(8), [16, 16, 8]), (9, None, [4, 4, 2])]
        {
            skips.push(self.crop(&level, margin));
            level = self.pool(&level, 2);
            level = self.block(&[level], down, shortcut)?;
        }
        for up in [11, 14, 17] {
            let skip = skips.pop().expect("there is one for each way up");
            let above = self.enlarge(&level, 2);
            level = self.block(&[skip, above], up, Some(up + 2))?;
        }
        self.normal_convolve(&[level], 20)
    }

    /// Two convolutions and a short cut past them.
    fn block(&mut self, inputs: &[Tensor], first: usize, shortcut: Option<usize>) -> Result<Tensor, Error> {
        let level = self.normal_convolve(inputs, first)?;
        let level = self.normal_convolve(&[level], first + 1)?;
        self.residual(level, inputs, shortcut)
    }

    /// `level` plus the middle of the inputs, itself or convolved by layer `shortcut`.
    fn residual(
        &mut self,
        level: Tensor,
        inputs: &[Tensor],
        shortcut: Option<usize>,
    ) -> Result<Tensor, Error> {
        let middle: Vec<_> = inputs.iter().map(|input| self.crop(input, [2, 2, 1])).collect();
        let past = match shortcut {
            Some(layer) => self.convolve(&middle, layer)?,
            None => middle.into_iter().next().expect("a block has an input"),
        };
        Ok(self.add(&level, &past))
    }

    /// Instance normalisation, leaky rectifier and convolution `layer` of the joined `inputs`.
    fn normal_convolve(&mut self, inputs: &[Tensor], layer: usize) -> Result<Tensor, Error> {
        let normal: Vec<_> = inputs.iter().map(|input| self.normalise(input)).collect();
        self.convolve(&normal, layer)
    }

    fn normalise(&mut self, input: &Tensor) -> Tensor {
        self.widths.insert(input.channels);
        let (scale, bias) = (format!("ones_{}", input.channels), format!("zeros_{}", input.channels));
        let attributes = [("epsilon", Attribute::Float(EPSILON))];
        let normal = self.graph.node("InstanceNormalization", &[&input.name, &scale, &bias], &attributes);
        self.follow(input, "LeakyRelu", &[&normal], &[("alpha", Attribute::Float(LEAK))])
    }

    /// Convolution `layer` of the `inputs` as if they were joined along their channels.
    fn convolve(&mut self, inputs: &[Tensor], layer: usize) -> Result<Tensor, Error> {
        let Layer { kernel, bias } = &self.layers[layer];
        let shape = kernel.shape().to_vec();
        if shape[1] != inputs.iter().map(|input| input.channels).sum::<usize>() {
            return Err(wrong(format_args!("convolution {} is {shape:?}", layer + 1)));
        }
        // Every tensor but the last is normalised before anything but shifts and maxima happens to it.
        let last = layer + 1 == self.layers.len();
        if last {
            self.graph.floats("bias", &[shape[0]], bias.iter().copied());
        }

        let size: Vec<_> = shape[2..].iter().map(|&n| n as i64).collect();
        let margins: Vec<_> =
            size.iter().chain(&size).map(|n| if self.padded { (n - 1) / 2 } else { 0 }).collect();
        let attributes = [("kernel_shape", Attribute::Ints(&size)), ("pads", Attribute::Ints(&margins))];

        let mut from = 0;
        let mut parts = Vec::new();
        for (n, input) in inputs.iter().enumerate() {
            let part = kernel.slice_axis(Axis(1), Slice::from(from..from + input.channels));
            from += input.channels;
            let kernel_name = format!("kernel_{}_{}", layer + 1, n + 1);
            self.graph.floats(&kernel_name, part.shape(), part.iter().copied());
            let mut names = vec![input.name.as_str(), &kernel_name];
            if last && n == 0 {
                names.push("bias");
            }
            parts.push(Tensor { name: self.graph.node("Conv", &names, &attributes), channels: shape[0] });
        }
        Ok(parts.into_iter().reduce(|sum, part| self.add(&sum, &part)).expect("a convolution has an input"))
    }

    fn add(&mut self, a: &Tensor, b: &Tensor) -> Tensor {
        self.follow(a, "Add", &[&a.name, &b.name], &[])
    }

    /// The largest of every `size` x `size` x `size` voxels.
    fn pool(&mut self, input: &Tensor, size: i64) -> Tensor {
        let size = [size; 3];
        let attributes = [("kernel_shape", Attribute::Ints(&size)), ("strides", Attribute::Ints(&size))];
        self.follow(input, "MaxPool", &[&input.name], &attributes)
    }

    /// Every voxel repeated `factor` times along each axis.
    fn enlarge(&mut self, input: &Tensor, factor: u8) -> Tensor {
        self.constants += 1;
        let scales = format!("scales_{}", self.constants);
        let factor = f32::from(factor);
        self.graph.floats(&scales, &[5], [1.0, 1.0, factor, factor, factor].into_iter());
        let attributes = [
            ("mode", Attribute::Text("nearest")),
            ("coordinate_transformation_mode", Attribute::Text("asymmetric")),
            ("nearest_mode", Attribute::Text("floor")),
        ];
        self.follow(input, "Resize", &[&input.name, "", &scales], &attributes)
    }

    /// The mean of 3 x 3 x 3 voxels, without the outermost ones.
    fn smooth(&mut self, input: &Tensor) -> Tensor {
        self.follow(input, "AveragePool", &[&input.name], &[("kernel_shape", Attribute::Ints(&[3, 3, 3]))])
    }

    /// Without the outermost `margin` voxels.
    fn crop(&mut self, input: &Tensor, margin: [i64; 3]) -> Tensor {
        let [starts, ends] = [self.ints(margin), self.ints(margin.map(|m| -m))];
        let axes = self.ints([2, 3, 4]);
        self.follow(input, "Slice", &[&input.name, &starts, &ends, &axes], &[])
    }

    fn ints(&mut self, values: [i64; 3]) -> String {
        self.constants += 1;
        let name = format!("ints_{}", self.constants);
        self.graph.ints(&name, &values);
        name
    }

    /// A node whose output has as many channels as `input`.
    fn follow(
        &mut self,
        input: &Tensor,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) -> Tensor {
        Tensor { name: self.graph.node(operator, inputs, attributes), channels: input.channels }
    }
}
