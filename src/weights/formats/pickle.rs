//! Pickles of tensors, read without running any of their code.
//!
//! A pickle is a program for a machine with a stack. The few globals that a state dictionary needs are known
//! here; every other one is refused by its name.

mod machine;

use super::{Budget, Cursor};
use crate::Result;

/// The place of a value among a pickle's values.
pub(super) type Id = usize;

/// A value. Containers hold the places of their values, since values are shared and filled after they are
/// made.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Int(i64),
    /// A truth, a whole number of more than 64 bits or a float, which no tensor needs.
    Opaque,
    /// Bytes, by their place in the pickle's part of the file.
    Bytes {
        start: u64,
        len: u64,
    },
    Text(Box<str>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or a function that is known.
    Global(Global),
    /// The storage of a tensor: what the pickle says of it.
    Storage(Id),
    Tensor(Box<Tensor>),
    /// An object of a class that is known by its attributes alone (TorchScript's modules).
    Object(Option<Id>),
    /// NumPy's array, by its state: version, shape, type, order, numbers.
    Ndarray(Option<Id>),
    /// NumPy's type, by its name and its state.
    NumpyDtype {
        name: Id,
        state: Option<Id>,
    },
}

impl Value {
    /// True for an array, or for what may hold one.
    pub fn may_have_arrays(&self) -> bool {
        matches!(
            self,
            Value::List(_)
                | Value::Tuple(_)
                | Value::Dict(_)
                | Value::Tensor(_)
                | Value::Object(_)
                | Value::Ndarray(_)
        )
    }
}

/// A part of a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// What the pickle says of the storage.
    pub storage: Id,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
    /// The type, where the storage has none.
    pub dtype: Option<Box<str>>,
}

/// The values that a state dictionary is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildTensorV3,
    RebuildParameter,
    Size,
    /// A list or tuple of a type.
    Typed,
    /// The class of a storage (`FloatStorage`), or a type (`float32`).
    Dtype(Box<str>),
    /// A device, whose arguments do not matter.
    Device,
    Object,
    NumpyReconstruct,
    NumpyDtype,
    /// The class of NumPy's arrays, which only its own function is told.
    NumpyClass,
    /// NumPy's function of arrays since protocol 5.
    NumpyFromBuffer,
    /// Bytes as text of Latin-1, since pickles of protocol 2 have none.
    Encode,
    /// A value that no tensor is made of: a number of NumPy's, a set.
    Plain,
}

impl Global {
    fn of(module: &str, name: &str) -> Option<Global> {
        Some(match (module, name) {
            ("collections", "OrderedDict" | "Counter") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTensorV3,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Global::RebuildParameter
            }
            ("torch", "Size") => Global::Size,
            ("torch", "device") => Global::Device,
            ("torch.jit._pickle", "build_intlist" | "build_doublelist" | "build_boollist") => Global::Typed,
            ("torch.jit._pickle", "build_tensorlist" | "restore_type_tag") => Global::Typed,
            ("torch" | "torch.storage" | "torch.cuda", name) if name.ends_with("Storage") => {
                Global::Dtype(name.into())
            }
            ("torch", name) if DTYPES.contains(&name) => Global::Dtype(name.into()),
            (NUMPY_1 | NUMPY_2, "_reconstruct") => Global::NumpyReconstruct,
            (NUMPY_1 | NUMPY_2, "scalar") => Global::Plain,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Global::NumpyFromBuffer,
            ("_codecs", "encode") => Global::Encode,
            ("builtins" | "__builtin__", "set" | "frozenset" | "bytearray" | "complex") => Global::Plain,
            ("numpy", "ndarray") => Global::NumpyClass,
            ("numpy", "dtype") => Global::NumpyDtype,
            (module, _) if module.starts_with("__torch__") => Global::Object,
            _ => return None,
        })
    }
}

/// The module of NumPy's functions for pickles, before version 2 and since.
const NUMPY_1: &str = "numpy.core.multiarray";
const NUMPY_2: &str = "numpy._core.multiarray";

/// PyTorch's types, by their names there.
const DTYPES: [&str; 16] = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
    "quint8",
];

/// A pickle that was read.
pub(super) struct Pickle {
    values: Vec<Value>,
    pub root: Id,
}

impl Pickle {
    /// Reads a pickle from a cursor, up to its end.
    pub fn read(cursor: &mut Cursor<'_>, budget: &Budget) -> Result<Pickle> {
        let (values, root) = machine::run(cursor, budget)?;
        Ok(Pickle { values, root })
    }

    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::Opaque)
    }

    /// True for the place of the value `True`.
    pub fn is_true(&self, id: Id) -> bool {
        id == machine::TRUE
    }

    /// What the pickle says of each storage.
    pub fn storages(&self) -> impl Iterator<Item = Id> {
        let told = |value: &Value| if let Value::Storage(told) = value { Some(*told) } else { None };
        self.values.iter().filter_map(told)
    }
}
