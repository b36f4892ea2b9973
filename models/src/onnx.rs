//! Writes ONNX graphs: the little of the format that the networks built here need.
//!
//! An ONNX file is one Protocol Buffers message. The same graph gives the same bytes on every machine,
//! so that a card can pin the SHA-256 of a graph that is built and not downloaded. Reading is ONNX
//! Runtime's business; which layers there are is [`crate::unet`]'s.
//!
//! Source: onnx.proto3 of ONNX IR version 8; operator set 17.

/// The version of the operators' meaning.
const OPSET: u64 = 17;
/// The version of the file format.
const IR_VERSION: u64 = 8;
/// `TensorProto.DataType` and `TypeProto` element type of 32-bit floats.
const FLOAT: u64 = 1;
/// `TensorProto.DataType` of 64-bit integers.
const INT64: u64 = 7;

/// A graph under construction. Nodes must be added in the order in which they can be computed.
#[derive(Default)]
pub(crate) struct Graph {
    body: Message,
    nodes: usize,
}

/// The value of an attribute of a node.
pub(crate) enum Attribute<'a> {
    /// A number.
    Float(f32),
    /// Whole numbers, one for each axis mostly.
    Ints(&'a [i64]),
    /// A word.
    Text(&'a str),
}

impl Graph {
    /// Adds a node with one output and returns the name of that output.
    pub(crate) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) -> String {
        self.nodes += 1;
        let output = format!("{}_{}", operator.to_ascii_lowercase(), self.nodes);
        self.node_named(operator, inputs, &output, attributes);
        output
    }

    /// Adds a node whose output has the name `output`.
    pub(crate) fn node_named(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let mut node = Message::default();
        for input in inputs {
            node.text(1, input);
        }
        node.text(2, output);
        node.text(3, output);
        node.text(4, operator);
        for (name, value) in attributes {
            node.message(5, &attribute(name, value));
        }
        self.body.message(1, &node);
    }

    /// Adds a constant tensor of 32-bit floats, in standard layout.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = f32>) {
        self.constant(name, FLOAT, shape, values.flat_map(f32::to_le_bytes).collect());
    }

    /// Adds a constant list of 64-bit integers.
    pub(crate) fn ints(&mut self, name: &str, values: &[i64]) {
        self.constant(name, INT64, &[values.len()], values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }

    fn constant(&mut self, name: &str, kind: u64, shape: &[usize], bytes: Vec<u8>) {
        let mut tensor = Message::default();
        for &size in shape {
            tensor.number(1, size as u64);
        }
        tensor.number(2, kind);
        tensor.text(8, name);
        tensor.bytes(9, &bytes);
        self.body.message(5, &tensor);
    }

    /// The file: a graph from `input` to `output`, both `[?, 1, ?, ?, ?]` of 32-bit floats.
    pub(crate) fn into_file(mut self, name: &str, input: &str, output: &str) -> Vec<u8> {
        self.body.text(2, name);
        self.body.message(11, &image(input, ["x", "y", "z"]));
        self.body.message(12, &image(output, ["x_out", "y_out", "z_out"]));

        let mut opset = Message::default();
        opset.text(1, "");
        opset.number(2, OPSET);
        let mut model = Message::default();
        model.number(1, IR_VERSION);
        model.text(2, "foci");
        model.message(7, &self.body);
        model.message(8, &opset);
        model.0
    }
}

fn attribute(name: &str, value: &Attribute<'_>) -> Message {
    let mut attribute = Message::default();
    attribute.text(1, name);
    let kind = match value {
        Attribute::Float(v) => {
            attribute.key(2, 5);
            attribute.0.extend(v.to_le_bytes());
            1
        }
        Attribute::Text(v) => {
            attribute.text(4, v);
            3
        }
        Attribute::Ints(v) => {
            v.iter().for_each(|v| attribute.number(8, v.cast_unsigned()));
            7
        }
    };
    attribute.number(20, kind);
    attribute
}

/// `ValueInfoProto` of a tensor `[n, 1, ?, ?, ?]`: as many volumes at once as one likes, of one channel.
fn image(name: &str, axes: [&str; 3]) -> Message {
    let mut shape = Message::default();
    for axis in [Some("n"), None].into_iter().chain(axes.map(Some)) {
        let mut size = Message::default();
        match axis {
            Some(name) => size.text(2, name),
            None => size.number(1, 1),
        }
        shape.message(1, &size);
    }
    let mut tensor = Message::default();
    tensor.number(1, FLOAT);
    tensor.message(2, &shape);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut value = Message::default();
    value.text(1, name);
    value.message(2, &kind);
    value
}

/// A Protocol Buffers message: fields, each after a key of number and wire type.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u64, value: &Self) {
        self.bytes(field, &value.0);
    }
}
