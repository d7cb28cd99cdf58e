//! The memory of reading: of larger files, and of small ones that promise much.

use crate::containers::{packed, with_checksums};
use allocation_counter::measure;
use hdf5_pure::{AttrValue, FileBuilder};
use std::io::{Cursor, Write};
use wgpu_rnn::file::{self, Format, Limits};
use wgpu_rnn::{Config, Init, Naming, Weights};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Sizes of a GRU of about a MB.
const HIDDEN: usize = 256;
const INPUT: usize = 100;
const ROWS: usize = 3 * HIDDEN;

/// Shapes by PyTorch's names.
const SHAPES: [(&str, [usize; 2]); 2] = [("weight_ih_l0", [ROWS, INPUT]), ("weight_hh_l0", [ROWS, HIDDEN])];

/// Bytes of memory for the reader's own buffers.
const ROOM: u64 = 1 << 19;

/// Bytes of memory that a small file may take, whatever it promises: 8 MiB of the limits, a million numbers of
/// weights, and as much again.
pub const SMALL: u64 = 16 << 20;

fn numbers(shape: [usize; 2]) -> Vec<f32> {
    (0..shape[0] * shape[1]).map(|number| number as f32 / 1e6).collect()
}

/// A dictionary of tensors that are parts of one storage: name, shape and strides.
fn pickle(tensors: &[(&str, [usize; 2], [usize; 2])]) -> Vec<u8> {
    fn text(all: &mut Vec<u8>, text: &str) {
        all.push(b'X');
        all.extend((text.len() as u32).to_le_bytes());
        all.extend(text.bytes());
    }
    fn integers(all: &mut Vec<u8>, numbers: &[usize]) {
        for &number in numbers {
            all.push(b'J');
            all.extend((number as i32).to_le_bytes());
        }
    }
    let mut all = b"\x80\x02}(".to_vec();
    for (name, shape, strides) in tensors {
        text(&mut all, name);
        all.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut all, "storage");
        all.extend(b"ctorch\nFloatStorage\n");
        text(&mut all, "0");
        text(&mut all, "cpu");
        integers(&mut all, &[1]);
        all.extend(b"tQ");
        integers(&mut all, &[0]);
        for numbers in [shape, strides] {
            all.push(b'(');
            integers(&mut all, numbers);
            all.push(b't');
        }
        all.extend(b"\x89}tR");
    }
    all.extend(b"u.");
    all
}

fn checkpoint(tensors: &[(&str, [usize; 2], [usize; 2])], storage: &[f32]) -> Vec<u8> {
    let storage = storage.iter().flat_map(|number| number.to_le_bytes()).collect();
    packed(&[("m/data.pkl".into(), pickle(tensors)), ("m/data/0".into(), storage)]).unwrap()
}

/// Weights of a layer as Keras 3 writes them.
fn keras(is_deflated: bool) -> Vec<u8> {
    let mut file = FileBuilder::new();
    let [mut layers, mut layer, mut cell, mut vars] =
        ["layers", "gru", "cell", "vars"].map(|name| file.create_group(name));
    for (name, shape) in [("0", [INPUT, ROWS]), ("1", [HIDDEN, ROWS]), ("2", [2, ROWS])] {
        let array = vars.create_dataset(name).with_f32_data(&numbers(shape));
        let array = array.with_shape(&shape.map(|len| len as u64));
        if is_deflated {
            array.with_chunks(&[2, 256]).with_shuffle().with_deflate(6);
        }
    }
    cell.add_group(vars.finish());
    layer.add_group(cell.finish());
    layers.add_group(layer.finish());
    file.add_group(layers.finish());
    file.finish().unwrap()
}

/// Files of about a MB of each dialect, with the bytes that they unpack to.
fn larger() -> Vec<(&'static str, Vec<u8>, usize)> {
    let config = Config::gru(HIDDEN).input_size(INPUT);
    let weights = Weights::init(&config, &Init::pytorch()).unwrap();
    let bytes = |format: Format| weights.to_bytes(format).unwrap();
    let same = |name, bytes: Vec<u8>| {
        let len = bytes.len();
        (name, bytes, len)
    };
    let npz = bytes(Format::Npz(Naming::PyTorch));
    let mut deflated = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in crate::containers::unpacked(&npz).unwrap() {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        deflated.start_file(name, options).unwrap();
        deflated.write_all(&contents).unwrap();
    }
    let deflated = deflated.finish().unwrap().into_inner();
    let tensors = SHAPES.map(|(name, shape)| (name, shape, [shape[1], 1]));
    let plain = keras(false);
    let mut all = vec![
        same("safetensors", bytes(Format::Safetensors(Naming::Gluon))),
        same(".params", bytes(Format::Params)),
        same("ONNX", bytes(Format::Onnx)),
        // Both weights are parts of one storage.
        (".pt", checkpoint(&tensors, &numbers([ROWS, HIDDEN])), npz.len()),
        ("deflated .npz", deflated, npz.len()),
        ("deflated HDF5", keras(true), plain.len()),
    ];
    all.extend([same(".npz", npz), same("HDF5", plain)]);
    all
}

/// Memory: the weights, a copy of HDF5 (`from_bytes`), what was unpacked.
#[test]
fn larger_files_take_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, unpacked) in larger() {
        assert!(unpacked > 1_000_000, "{name}");
        // Unpacked bytes are there beside the weights, and so are the chunks that they come from.
        let is_deflated = name.starts_with("deflated");
        let limit = if is_deflated { 4 * unpacked as u64 } else { 11 * unpacked as u64 / 5 } + ROOM;
        let path = folder.path().join("file");
        std::fs::write(&path, &bytes).unwrap();
        let whole = measure(|| drop(Weights::reader().from_bytes(&bytes).unwrap())).bytes_max;
        let pieces = measure(|| drop(Weights::load(&path).unwrap())).bytes_max;
        let headers = measure(|| drop(file::inspect(&path, Limits::default()).unwrap())).bytes_max;
        assert!(whole < limit && pieces < limit, "{name}: {whole} and {pieces} bytes for {unpacked}");
        // Arrays that are chunked are unpacked before they are looked at.
        let most = if is_deflated { limit } else { ROOM };
        assert!(headers < most, "{name}: {headers} bytes for headers");
    }
}

/// A field of a protocol buffer: bytes, or a number.
fn field(number: usize, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len()), bytes.to_vec()].concat()
}

fn integer(number: usize, value: usize) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn node(operator: &str, inputs: &[&str], output: &str, rest: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
    let node = [inputs, field(2, output.as_bytes()), field(4, operator.as_bytes()), rest.concat()].concat();
    field(1, &node)
}

/// An array of integers in a graph.
fn integers(name: &str, numbers: &[usize]) -> Vec<u8> {
    let packed: Vec<u8> = numbers.iter().flat_map(|&number| varint(number)).collect();
    let array = [integer(1, numbers.len()), integer(2, 7), field(7, &packed), field(8, name.as_bytes())];
    field(5, &array.concat())
}

fn model(graph: &[Vec<u8>]) -> Vec<u8> {
    [integer(1, 8), field(7, &graph.concat()), field(8, &integer(2, 17))].concat()
}

/// Weights of zeros that the model makes.
fn zeros() -> Vec<u8> {
    model(&[
        integers("w", &[1, 4 << 12, 8]),
        integers("r", &[1, 4 << 12, 1 << 12]),
        node("ConstantOfShape", &["w"], "W", &[]),
        node("ConstantOfShape", &["r"], "R", &[]),
        node("LSTM", &["X", "W", "R"], "Y", &[]),
    ])
}

/// A graph within a node of a long name, with many layers.
fn long_path() -> Vec<u8> {
    let layers: Vec<u8> = (0..1_000).flat_map(|_| node("GRU", &["X", "W", "R"], "Y", &[])).collect();
    let body = field(5, &[field(1, b"body"), field(6, &layers), integer(20, 5)].concat());
    model(&[node("Loop", &[], "Z", &[field(3, &vec![b'n'; 50_000]), body])])
}

/// A configuration with many layers in a model of a long name.
fn long_names() -> Vec<u8> {
    let layers = vec![r#"{"class_name":"D","config":{"name":"d"}}"#; 500].join(",");
    let name = "n".repeat(200_000);
    let inner = format!(r#"{{"class_name":"M","config":{{"name":"{name}","layers":[{layers}]}}}}"#);
    let config = format!(r#"{{"class_name":"M","config":{{"layers":[{inner}]}}}}"#);
    let weights = FileBuilder::new().finish().unwrap();
    let text = |text: &str| text.as_bytes().to_vec();
    packed(&[
        ("metadata.json".into(), text(r#"{"keras_version":"3.15.1"}"#)),
        ("config.json".into(), text(&config)),
        ("model.weights.h5".into(), weights),
    ])
    .unwrap()
}

/// Many texts of an attribute that lie in one place.
fn one_text() -> Vec<u8> {
    const LEN: usize = 30_000;
    const COUNT: usize = 2_000;
    let mut texts = vec![String::new(); COUNT];
    texts[0] = "t".repeat(LEN);
    let mut file = FileBuilder::new();
    file.set_attr("name", AttrValue::VarLenAsciiStringArray(texts));
    let mut bytes = file.finish().unwrap();
    // A text's length, the place of its heap, and its number there.
    let length = (LEN as u32).to_le_bytes();
    let is_first = |window: &[u8]| window[..4] == length && window[12..] == [1, 0, 0, 0];
    let first = bytes.windows(16).position(is_first).unwrap();
    let all = bytes[first..first + 16].repeat(COUNT);
    bytes[first..first + all.len()].copy_from_slice(&all);
    with_checksums(&bytes).unwrap()
}

/// One number that is repeated along both axes, and a small storage in many layers.
fn repeated() -> [Vec<u8>; 2] {
    let one =
        checkpoint(&SHAPES.map(|(name, [rows, columns])| (name, [rows * 8, columns * 8], [0, 0])), &[1.0]);
    let names: Vec<[String; 2]> =
        (0..100).map(|layer| ["ih", "hh"].map(|kind| format!("weight_{kind}_l{layer}"))).collect();
    let shape = [ROWS, HIDDEN];
    let tensors: Vec<_> = names.iter().flatten().map(|name| (name.as_str(), shape, [HIDDEN, 1])).collect();
    [one, checkpoint(&tensors, &numbers(shape))]
}

/// A name of the last of very many layers.
fn many_layers() -> Vec<u8> {
    let names = ["weight_ih_l0", "weight_hh_l0", "weight_ih_l65535"];
    let tensors = names.map(|name| (name.to_owned(), ndarray::ArrayD::<f32>::zeros(vec![1, 1])));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    file::save_tensors(&path, tensors.iter().map(|(name, array)| (name.clone(), array.view()))).unwrap();
    file::read(path).unwrap()
}

/// Cells of very many layers, for each of many networks.
fn many_cells() -> Vec<u8> {
    let cells = vec!["gru"; 50_000].join(",");
    let array = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let arrays = (0..1_000).map(|number| format!(r#","n{number}.weight_ih_l0":{array}"#));
    let header = format!(r#"{{"__metadata__":{{"cells":"{cells}"}}{}}}"#, arrays.collect::<String>());
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

#[test]
fn files_that_promise_much_take_little_memory() {
    let [one, shared] = repeated();
    let files = [
        ("zeros", zeros(), "expected at most"),
        ("path", long_path(), "the limits of reading"),
        ("names", long_names(), "the limits of reading"),
        ("text", one_text(), "expected a recurrent network, found none"),
        ("one number", one, "expected at most"),
        ("shared", shared, "expected at most"),
        ("cells", many_cells(), "and 992 more"),
        ("layers", many_layers(), "weight_ih_l1: expected shape [G*H, D*H], found no such tensor"),
    ];
    let wrong = files.into_iter().filter_map(|(name, bytes, expected)| {
        let mut text = String::new();
        let memory = measure(|| {
            let read = Weights::reader().from_bytes(&bytes);
            text = read.map_or_else(|error| error.to_string(), |_| "a network".into());
        });
        let (memory, limit) = (memory.bytes_max, 4 * bytes.len() as u64 + SMALL);
        let is_right = memory < limit && text.contains(expected);
        (!is_right).then(|| format!("{name}: {memory} bytes for {}, {text}\n", bytes.len()))
    });
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "{wrong}");
}
