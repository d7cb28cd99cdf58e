//! The files that are read and written.

use crate::npy;
use ndarray::{Array2, Array3, ArrayD, ArrayViewD, Axis, Ix2, Ix3};
use ndarray_npy::{WritableElement, WriteNpyExt};
use std::{error::Error, ffi::OsStr, path::Path};
use wgpu_rnn::file::{Tensors, quote};
use wgpu_rnn::{Call, Float, Output, Packed, State, file};

/// The input of a call.
pub struct Input<T = f32> {
    /// `[T, N, I]`, `[N, T, I]` or `[T, I]`; of packed sequences, what they are padded to.
    pub input: ArrayD<T>,
    pub state: Option<State<T>>,
    pub lengths: Option<Vec<i64>>,
    /// The batch sizes of packed sequences.
    pub batch_sizes: Option<Vec<usize>>,
}

impl<T: Float> Input<T> {
    pub fn call(&self) -> Call<'_, T> {
        let call = Call::new(&self.input).state(self.state.as_ref());
        match &self.lengths {
            Some(lengths) => call.lengths(lengths),
            None => call,
        }
    }

    pub fn is_unbatched(&self) -> bool {
        self.input.ndim() == 2
    }
}

#[derive(Clone, Copy)]
pub enum Format {
    Safetensors,
    Npy,
}

impl Format {
    pub fn of(path: &Path) -> Result<Format, String> {
        match path.extension().and_then(OsStr::to_str) {
            Some("safetensors") => Ok(Format::Safetensors),
            Some("npy") => Ok(Format::Npy),
            _ => Err(format!("{}: expected a name that ends in .safetensors or .npy", path.display())),
        }
    }
}

/// The tensors of an input.
pub const NAMES: [&str; 6] = ["input", "lengths", "h0", "c0", "data", "batch_sizes"];

pub fn read(path: &Path) -> Result<Input, Box<dyn Error>> {
    let within = |what: String| format!("{}: {what}", path.display());
    if let Format::Npy = Format::of(path)? {
        let input = npy::read(&file::read(path)?).map_err(within)?;
        return Ok(Input { input, state: None, lengths: None, batch_sizes: None });
    }
    let tensors = Tensors::load(path)?;
    if let Some(name) = tensors.names().find(|name| !NAMES.contains(name)) {
        let expected = "input, lengths, h0 and c0, or data and batch_sizes for input and lengths";
        return Err(within(format!("expected {expected}, found a tensor named {}", quote(name))).into());
    }
    read_tensors(path, &tensors)
}

/// The input among a file's tensors.
pub fn read_tensors<T: Float>(path: &Path, tensors: &Tensors) -> Result<Input<T>, Box<dyn Error>> {
    let within = |what: String| format!("{}: {what}", path.display());
    let vector = |name: &str| -> Result<Option<Vec<i64>>, Box<dyn Error>> {
        let Some(tensor) = tensors.integers(name)? else { return Ok(None) };
        if tensor.ndim() != 1 {
            return Err(within(format!("{name}: expected one axis, found {}", tensor.ndim())).into());
        }
        Ok(Some(tensor.into_iter().collect()))
    };
    let (mut lengths, batch_sizes) = (vector("lengths")?, vector("batch_sizes")?);
    let (plain, data) = (tensors.floats("input")?, tensors.floats("data")?);
    let state = |name| Ok::<_, wgpu_rnn::Error>(tensors.floats(name)?.map(|tensor| (name, tensor)));
    let (h, c) = (state("h0")?, state("c0")?);
    let mut sizes = None;
    let input = match (plain, data, batch_sizes, &lengths) {
        (Some(input), None, None, _) => input,
        (None, Some(data), Some(batch_sizes), None) => {
            let rank = data.ndim();
            let wrong = |_| within(format!("data: expected 2 axes, [sum of batch_sizes, I], found {rank}"));
            let data: Array2<T> = data.into_dimensionality::<Ix2>().map_err(wrong)?;
            let size = |&size: &i64| {
                size.try_into().map_err(|_| within(format!("batch_sizes: expected at least 1, found {size}")))
            };
            let batch_sizes = batch_sizes.iter().map(size).collect::<Result<Vec<usize>, _>>()?;
            let packed = Packed { data, batch_sizes };
            let (padded, found) = packed.unpack().map_err(|error| within(error.to_string()))?;
            lengths = Some(found.into_iter().map(|length| length as i64).collect());
            sizes = Some(packed.batch_sizes);
            padded.into_dyn()
        }
        (None, None, None, _) => {
            return Err(within("expected a tensor named input, found none".into()).into());
        }
        _ => {
            let expected =
                "expected input, or data with batch_sizes and without lengths, found both or a half";
            return Err(within(expected.into()).into());
        }
    };
    // One sequence needs no axis for the batch in its state either.
    let is_unbatched = input.ndim() == 2;
    let rank3 = |(name, tensor): (&str, ArrayD<T>)| -> Result<Array3<T>, String> {
        let rank = tensor.ndim();
        let wrong = |_| within(format!("{name}: expected 3 axes, [L*D, N, H], found {rank}"));
        let tensor = if is_unbatched && rank == 2 { tensor.insert_axis(Axis(1)) } else { tensor };
        tensor.into_dimensionality::<Ix3>().map_err(wrong)
    };
    let state = match (h, c) {
        (None, None) => None,
        (None, Some(_)) => return Err(within("expected h0 beside c0, found none".into()).into()),
        (Some(h), c) => Some(State { h: rank3(h)?, c: c.map(rank3).transpose()? }),
    };
    Ok(Input { input, state, lengths, batch_sizes: sizes })
}

/// Arrays by name.
pub type Named<T> = Vec<(String, ArrayD<T>)>;

/// The arrays that a call gives, by the names of a result, in the shapes that belong to the input.
pub fn arrays<T: Float, U>(answer: &Output<T>, input: &Input<U>) -> Result<Named<T>, Box<dyn Error>> {
    let mut arrays: Named<T> = vec![("output".into(), answer.output.clone().into_dyn())];
    let mut add = |name: String, array: Option<&Array3<T>>| {
        arrays.extend(array.map(|array| (name, array.clone().into_dyn())));
    };
    add("output_reverse".into(), answer.output_reverse.as_ref());
    add("cell_states".into(), answer.cell_states.as_ref());
    for (layer, lower) in answer.lower.iter().enumerate() {
        add(format!("output_l{layer}"), Some(lower));
    }
    if let Some(batch_sizes) = &input.batch_sizes {
        for (_, array) in &mut arrays {
            *array = packed(array.view(), batch_sizes)?;
        }
    }
    let finals = [("h_n", Some(&answer.h_n)), ("c_n", answer.c_n.as_ref())];
    let finals =
        finals.into_iter().filter_map(|(name, array)| Some((name.to_owned(), array?.clone().into_dyn())));
    arrays.extend(finals);
    if input.input.ndim() == 2 {
        arrays.iter_mut().for_each(|(_, array)| *array = without_batch(array.view()));
    }
    Ok(arrays)
}

/// An array over time without its padding.
pub fn packed<T: Float>(
    padded: ArrayViewD<'_, T>,
    batch_sizes: &[usize],
) -> Result<ArrayD<T>, Box<dyn Error>> {
    // Arrays over time have three axes.
    Ok(Packed::pack(padded.into_dimensionality::<Ix3>()?, batch_sizes)?.data.into_dyn())
}

/// An array of one sequence without the axis of the batch, which is the last but one.
pub fn without_batch<T: Float>(array: ArrayViewD<'_, T>) -> ArrayD<T> {
    array.index_axis(Axis(array.ndim() - 2), 0).to_owned()
}

pub fn write<T: Float + WritableElement>(
    path: &Path,
    format: Format,
    answer: &Output<T>,
    input: &Input,
) -> Result<Vec<usize>, Box<dyn Error>> {
    let arrays = arrays(answer, input)?;
    match format {
        Format::Safetensors => {
            file::save_tensors(path, arrays.iter().map(|(name, array)| (name.clone(), array.view())))?;
        }
        Format::Npy => {
            let mut bytes = Vec::new();
            arrays[0].1.write_npy(&mut bytes)?;
            file::replace(path, &bytes)?;
        }
    }
    Ok(arrays[0].1.shape().to_vec())
}
