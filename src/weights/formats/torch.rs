//! PyTorch's checkpoints (`.pt`, `.pth`): a zip archive, or a file of before PyTorch 1.6, of a pickle and of
//! storages; and pickles of NumPy's arrays (`.pkl`).

use super::pickle::{Id, Pickle, Tensor, Value};
use super::{
    Array, Budget, Cursor, Element, Fault, Head, Opened, Opening, Part, Stated, View, count, npy, of_arrays,
    zip,
};
use crate::Result;
use crate::quote::{message, quote};
use std::collections::BTreeMap;

/// The member that has the pickle, behind the archive's own folder.
const PICKLE: &str = "data.pkl";

/// The number that files of before PyTorch 1.6 begin with, in a pickle of its own.
const OLD: [u8; 12] = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

const FAULT: Fault = Fault::new("PyTorch checkpoint");

/// True for a pickle.
pub(super) fn is_pickle(head: &Head) -> bool {
    matches!(head, [0x80, 2..=5, ..])
}

/// Reads a pickle that has its arrays within.
pub(super) fn open_pickle<'a>(opening: &Opening<'a, '_>) -> Result<Opened<'a>> {
    let mut cursor = Cursor::new(opening.part.clone(), Fault::new("pickle"));
    let pickle = Pickle::read(&mut cursor, opening.budget)?;
    if !cursor.is_at_end() {
        return Err(cursor.error(
            "end of the pickle",
            "the end of the file",
            format!("{} bytes", cursor.left()),
        ));
    }
    let none = |key: &str| Err(FAULT.error(&format!("storage {}", quote(key)), "one", "none"));
    of_pickle("pickle", &pickle, &opening.part, &none, opening.budget)
}

/// True for a file of before PyTorch 1.6.
pub(super) fn is_old(head: &Head) -> bool {
    let [0x80, 2..=5, number @ ..] = head.as_slice() else { return false };
    // Since protocol 4 the length of a frame comes before.
    let number = match number {
        [0x95, _, _, _, _, _, _, _, _, number @ ..] => number,
        number => number,
    };
    OLD.iter().zip(number).all(|(one, other)| one == other)
}

/// The folder of an archive of PyTorch's.
pub(super) fn folder<'m>(archive: &'m zip::Archive<'_>) -> Option<&'m str> {
    let names = archive.members.iter().map(|member| member.name.as_str());
    let mut folders = names.filter_map(|name| name.strip_suffix(PICKLE));
    folders.find(|folder| folder.is_empty() || folder.ends_with('/'))
}

/// Reads the pickle of an archive.
pub(super) fn open_archive<'a>(
    archive: &zip::Archive<'a>,
    folder: &str,
    budget: &Budget,
) -> Result<Opened<'a>> {
    let member = |name: &str| archive.find(&format!("{folder}{name}"));
    if let Some(order) = member("byteorder") {
        let order = archive.part(order, budget)?.read("byteorder", budget)?;
        if order != b"little" {
            return Err(FAULT.error("byteorder", "little", String::from_utf8_lossy(&order).escape_debug()));
        }
    }
    let pickle = member(PICKLE).ok_or_else(|| FAULT.error(PICKLE, "one", "none"))?;
    let part = archive.part(pickle, budget)?;
    let mut cursor = Cursor::new(part.clone(), FAULT);
    let pickle = Pickle::read(&mut cursor, budget)?;
    let is_script = member("constants.pkl").is_some();
    // A linear search for each of many storages would take long.
    let members: BTreeMap<&str, &zip::Member> =
        archive.members.iter().map(|member| (member.name.as_str(), member)).collect();
    let storage = |key: &str| {
        let name = format!("{folder}data/{key}");
        let member = members.get(name.as_str());
        let member = member.ok_or_else(|| FAULT.error(&format!("storage {}", quote(key)), "one", "none"))?;
        archive.part(member, budget)
    };
    let dialect = if is_script { "TorchScript archive" } else { "PyTorch checkpoint" };
    of_pickle(dialect, &pickle, &part, &storage, budget)
}

/// Reads a file of before PyTorch 1.6: five pickles (the number, a version, the system's types, the object,
/// the keys of its storages), then the storages.
pub(super) fn open_old<'a>(opening: &Opening<'a, '_>) -> Result<Opened<'a>> {
    let budget = opening.budget;
    let mut cursor = Cursor::new(opening.part.clone(), FAULT);
    for _ in 0..3 {
        Pickle::read(&mut cursor, budget)?;
    }
    let pickle = Pickle::read(&mut cursor, budget)?;
    let keys = Pickle::read(&mut cursor, budget)?;
    let Value::List(list) = keys.get(keys.root) else {
        return Err(cursor.error("keys of storages", "a list", "another value"));
    };
    // The types of storages stand in the pickle of the object.
    let mut sizes = BTreeMap::new();
    for told in pickle.storages() {
        let told = Told::of(&pickle, told, None)?;
        sizes.insert(told.key, told.element.size().unwrap_or(1));
    }
    let mut storages = BTreeMap::new();
    for &key in list {
        let Value::Text(key) = keys.get(key) else {
            return Err(cursor.error("key of a storage", "a text", "another value"));
        };
        let count = cursor.u64("numbers of a storage")?;
        let size = sizes.get(&**key).copied().unwrap_or(1);
        let part = cursor.skip("storage", count.saturating_mul(size as u64))?;
        storages.insert(key.clone(), part);
    }
    let storage = |key: &str| {
        let found = storages.get(key).cloned();
        found.ok_or_else(|| FAULT.error(&format!("storage {}", quote(key)), "one", "none"))
    };
    of_pickle("PyTorch checkpoint (before 1.6)", &pickle, &opening.part, &storage, budget)
}

/// The arrays of a pickle, whose storages are elsewhere. `part` is where the pickle's places lie.
fn of_pickle<'a>(
    dialect: &'static str,
    pickle: &Pickle,
    part: &Part<'a>,
    storage: &dyn Fn(&str) -> Result<Part<'a>>,
    budget: &Budget,
) -> Result<Opened<'a>> {
    let mut storages = BTreeMap::new();
    let mut arrays: Vec<Array<'a>> = Vec::new();
    for (name, leaf) in leaves(pickle, budget)? {
        budget.bytes("PyTorch checkpoint", size_of::<Array<'_>>() as u64)?;
        let tensor = match leaf {
            Leaf::Tensor(tensor) => tensor,
            Leaf::Ndarray(state) => {
                let wrong = || {
                    FAULT.error(&format!("array {}", quote(&name)), "NumPy's state of one", "another value")
                };
                let view = ndarray(pickle, state, part, budget).ok_or_else(wrong)?;
                arrays.push(Array { name, view });
                continue;
            }
        };
        let Told { key, element } = Told::of(pickle, tensor.storage, tensor.dtype.as_deref())?;
        let data: Part<'a> = match storages.get(&key) {
            Some(data) => Part::clone(data),
            None => {
                let data = storage(&key)?;
                storages.insert(key, data.clone());
                data
            }
        };
        let (found, size) = (data.len(), element.name().to_owned());
        let expected = || format!("{} of {size}", count(&tensor.shape).unwrap_or(usize::MAX));
        let view = View::strided(element, tensor.shape.clone(), tensor.strides.clone(), tensor.offset, data);
        let wrong = || {
            FAULT.error(&format!("storage of tensor {}", quote(&name)), expected(), format!("{found} bytes"))
        };
        let view = view.ok_or_else(wrong)?;
        arrays.push(Array { name, view });
    }
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    of_arrays(dialect, arrays, &Stated::default())
}

/// A tensor's storage, as a pickle tells it.
struct Told {
    key: Box<str>,
    element: Element,
}

impl Told {
    fn of(pickle: &Pickle, storage: Id, dtype: Option<&str>) -> Result<Told> {
        let wrong = || FAULT.error("storage", "('storage', type, key, device, count)", "another value");
        let Value::Tuple(items) = pickle.get(storage) else { return Err(wrong()) };
        let [_, class, key, ..] = items.as_slice() else { return Err(wrong()) };
        let (Value::Global(super::pickle::Global::Dtype(class)), Value::Text(key)) =
            (pickle.get(*class), pickle.get(*key))
        else {
            return Err(wrong());
        };
        let element = element_of(dtype.unwrap_or(class));
        Ok(Told { key: key.clone(), element })
    }
}

fn element_of(class: &str) -> Element {
    match class {
        "DoubleStorage" | "float64" => Element::F64,
        "FloatStorage" | "float32" => Element::F32,
        "HalfStorage" | "float16" => Element::F16,
        "BFloat16Storage" | "bfloat16" => Element::BF16,
        "LongStorage" | "int64" => Element::I64,
        "IntStorage" | "int32" => Element::I32,
        "ShortStorage" | "int16" => Element::I16,
        "CharStorage" | "int8" => Element::I8,
        "ByteStorage" | "uint8" => Element::U8,
        "uint16" => Element::U16,
        "uint32" => Element::U32,
        "uint64" => Element::U64,
        "BoolStorage" | "bool" => Element::Bool,
        other => Element::Other(message(other).into()),
    }
}

/// A NumPy array: version, shape, type, order and numbers.
fn ndarray<'a>(pickle: &Pickle, state: Id, part: &Part<'a>, budget: &Budget) -> Option<View<'a>> {
    let Value::Tuple(items) = pickle.get(state) else { return None };
    let &[_, shape, dtype, is_fortran, numbers] = items.as_slice() else { return None };
    let Value::Tuple(axes) = pickle.get(shape) else { return None };
    let axis =
        |&id: &Id| if let Value::Int(axis) = pickle.get(id) { usize::try_from(*axis).ok() } else { None };
    let shape = axes.iter().map(axis).collect::<Option<Vec<_>>>()?;
    let Value::NumpyDtype { name, state } = pickle.get(dtype) else { return None };
    let Value::Text(name) = pickle.get(*name) else { return None };
    let order =
        state.and_then(|state| if let Value::Tuple(items) = pickle.get(state) { items.get(1) } else { None });
    let order =
        order.and_then(|&id| if let Value::Text(order) = pickle.get(id) { Some(&**order) } else { None });
    let element = npy::element_of(&format!("{}{name}", order.unwrap_or("|")));
    let numbers = match pickle.get(numbers) {
        &Value::Bytes { start, len } => part.part(start, len)?,
        Value::Text(text) => {
            budget.bytes("pickle", text.len() as u64).ok()?;
            let bytes = text.chars().map(|letter| u8::try_from(letter).ok()).collect::<Option<Vec<u8>>>()?;
            Part::whole(bytes)
        }
        _ => return None,
    };
    npy::view(element, &shape, pickle.is_true(is_fortran), numbers)
}

/// An array of a pickle.
enum Leaf {
    Tensor(Tensor),
    /// The state of NumPy's array.
    Ndarray(Id),
}

/// Every array of a pickle with its path: the keys of dictionaries, places of lists and names of attributes
/// that lead to it.
fn leaves(pickle: &Pickle, budget: &Budget) -> Result<Vec<(String, Leaf)>> {
    let mut found = Vec::new();
    walk(pickle, pickle.root, String::new(), 0, budget, &mut found)?;
    Ok(found)
}

fn walk(
    pickle: &Pickle,
    id: Id,
    path: String,
    depth: u64,
    budget: &Budget,
    found: &mut Vec<(String, Leaf)>,
) -> Result<()> {
    budget.tensor("values of a pickle")?;
    budget.depth("dictionaries of a pickle", depth)?;
    budget.bytes("names of a pickle", path.len() as u64)?;
    let depth = depth.saturating_add(1);
    let keyed = |found: &mut Vec<(String, Leaf)>, key: &str, value: Id| {
        // Numbers and texts, of which a list may have very many, have no names.
        if !pickle.get(value).may_have_arrays() {
            return Ok(());
        }
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        walk(pickle, value, path, depth, budget, found)
    };
    match pickle.get(id) {
        Value::Tensor(tensor) => {
            budget.bytes("tensors of a pickle", size_of::<Tensor>() as u64)?;
            found.push((path, Leaf::Tensor((**tensor).clone())));
        }
        Value::Ndarray(Some(state)) => {
            budget.bytes("tensors of a pickle", size_of::<Leaf>() as u64)?;
            found.push((path, Leaf::Ndarray(*state)));
        }
        Value::Dict(items) => {
            for &(key, value) in items {
                match pickle.get(key) {
                    Value::Text(key) => keyed(found, key, value)?,
                    Value::Int(key) => keyed(found, &key.to_string(), value)?,
                    // A tensor under another key has no path.
                    _ => {}
                }
            }
        }
        Value::List(items) | Value::Tuple(items) => {
            for (place, &value) in items.iter().enumerate() {
                keyed(found, &place.to_string(), value)?;
            }
        }
        Value::Object(Some(attributes)) => walk(pickle, *attributes, path, depth, budget, found)?,
        _ => {}
    }
    Ok(())
}
