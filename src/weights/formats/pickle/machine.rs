//! The machine that a pickle is a program for.

use super::{Global, Id, Tensor, Value};
use crate::quote::quote;
use crate::weights::formats::{Budget, Cursor};
use crate::{Error, Result};

/// The newest protocol.
const NEWEST: u8 = 5;

/// Places that are made before the first value.
const NONE: Id = 0;
pub(super) const TRUE: Id = 1;
const FALSE: Id = 2;
const EMPTY_TUPLE: Id = 3;
const OPAQUE: Id = 4;

/// Carries out a pickle, up to its end; gives its values, and the place of the last one.
pub(super) fn run(cursor: &mut Cursor<'_>, budget: &Budget) -> Result<(Vec<Value>, Id)> {
    let values = vec![Value::None, Value::Opaque, Value::Opaque, Value::Tuple(Vec::new()), Value::Opaque];
    let mut machine = Machine { values, stack: Vec::new(), marks: Vec::new(), memo: Vec::new(), budget };
    while machine.step(cursor)? {}
    let root = machine.pop(cursor)?;
    Ok((machine.values, root))
}

struct Machine<'b> {
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
    budget: &'b Budget,
}

impl Machine<'_> {
    /// Carries out one operation; false at the end.
    fn step(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        let operation = cursor.u8("operation of the pickle")?;
        match operation {
            b'.' => return Ok(false),
            0x80 => {
                let found = cursor.u8("protocol")?;
                if found > NEWEST {
                    return Err(cursor.error("protocol of the pickle", format!("at most {NEWEST}"), found));
                }
            }
            // A frame tells how many bytes follow.
            0x95 => drop(cursor.u64("frame")?),
            b'N' => self.push(NONE)?,
            0x88 => self.push(TRUE)?,
            0x89 => self.push(FALSE)?,
            b')' => self.push(EMPTY_TUPLE)?,
            b'}' => self.make(Value::Dict(Vec::new()))?,
            b']' => self.make(Value::List(Vec::new()))?,
            // A set is never a tensor's.
            0x8f => self.make(Value::List(Vec::new()))?,
            b'(' => self.mark()?,
            b'K' | b'M' | b'J' => {
                let number = match operation {
                    b'K' => cursor.u8("number")?.into(),
                    b'M' => cursor.u16("number")?.into(),
                    _ => cursor.i32("number")?.into(),
                };
                self.make(Value::Int(number))?;
            }
            0x8a | 0x8b => {
                let len = length(cursor, operation == 0x8a, false)?;
                self.long(cursor, len)?;
            }
            b'G' => {
                cursor.array::<8>("float")?;
                self.push(OPAQUE)?;
            }
            b'X' | 0x8c | 0x8d => {
                let len = length(cursor, operation == 0x8c, operation == 0x8d)?;
                self.text(cursor, len)?;
            }
            b'B' | b'T' | b'C' | b'U' | 0x8e | 0x96 => {
                let is_short = matches!(operation, b'C' | b'U');
                let len = length(cursor, is_short, matches!(operation, 0x8e | 0x96))?;
                let start = cursor.position();
                cursor.skip("bytes", len)?;
                self.make(Value::Bytes { start, len })?;
            }
            b'q' => {
                let place = cursor.u8("place of the memo")?;
                self.put(cursor, place.into())?;
            }
            b'r' => {
                let place = cursor.u32("place of the memo")?;
                self.put(cursor, place)?;
            }
            0x94 => {
                let place = u32::try_from(self.memo.len()).unwrap_or(u32::MAX);
                self.put(cursor, place)?;
            }
            b'h' | b'j' => {
                let place = length(cursor, operation == b'h', false)?;
                self.get(cursor, place)?;
            }
            b'0' => drop(self.pop(cursor)?),
            b'1' => drop(self.pop_mark(cursor)?),
            b'2' => {
                let top = *self.stack.last().ok_or_else(|| empty(cursor))?;
                self.push(top)?;
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x85..=operation {
                    items.push(self.pop(cursor)?);
                }
                items.reverse();
                self.make(Value::Tuple(items))?;
            }
            b't' => {
                let items = self.pop_mark(cursor)?;
                self.make(Value::Tuple(items))?;
            }
            // A list, or a set that is frozen.
            b'l' | 0x91 => {
                let items = self.pop_mark(cursor)?;
                self.make(Value::List(items))?;
            }
            b'd' => {
                let items = self.pop_mark(cursor)?;
                self.make(Value::Dict(pairs(cursor, &items)?))?;
            }
            b's' => {
                let (value, key) = (self.pop(cursor)?, self.pop(cursor)?);
                self.set(cursor, vec![(key, value)])?;
            }
            b'u' => {
                let items = self.pop_mark(cursor)?;
                let items = pairs(cursor, &items)?;
                self.set(cursor, items)?;
            }
            b'a' => {
                let value = self.pop(cursor)?;
                self.append(cursor, vec![value])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark(cursor)?;
                self.append(cursor, items)?;
            }
            b'c' => {
                let what = "name of a global";
                let (module, name) = (cursor.line(what, self.budget)?, cursor.line(what, self.budget)?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop(cursor)?, self.pop(cursor)?);
                let (Some(Value::Text(module)), Some(Value::Text(name))) =
                    (self.values.get(module).cloned(), self.values.get(name).cloned())
                else {
                    return Err(cursor.error("global", "two texts", "others"));
                };
                self.global(&module, &name)?;
            }
            b'Q' => {
                let told = self.pop(cursor)?;
                self.make(Value::Storage(told))?;
            }
            b'R' | 0x81 => {
                let (arguments, called) = (self.pop(cursor)?, self.pop(cursor)?);
                self.call(cursor, called, arguments)?;
            }
            b'b' => {
                let state = self.pop(cursor)?;
                let object = *self.stack.last().ok_or_else(|| empty(cursor))?;
                // The attributes of a dictionary, such as versions, are passed over.
                if let Some(Value::Object(old) | Value::Ndarray(old) | Value::NumpyDtype { state: old, .. }) =
                    self.values.get_mut(object)
                {
                    *old = Some(state);
                }
            }
            other => {
                let found = format!("{:?} (0x{other:02x})", char::from(other));
                let expected = "one that makes tensors, dictionaries, lists or texts";
                return Err(cursor.error("operation of the pickle", expected, found));
            }
        }
        Ok(true)
    }

    /// Calls what is known to have no effect but its value.
    fn call(&mut self, cursor: &Cursor<'_>, called: Id, arguments: Id) -> Result<()> {
        let Some(Value::Global(global)) = self.values.get(called).cloned() else {
            return Err(cursor.error("call", "a known class or function", "another value"));
        };
        let Some(Value::Tuple(arguments)) = self.values.get(arguments).cloned() else {
            return Err(cursor.error("arguments of a call", "a tuple", "another value"));
        };
        let value = match global {
            Global::OrderedDict => {
                // From a list of pairs, in old pickles.
                let mut dict = Vec::new();
                if let Some(Value::List(items)) = arguments.first().and_then(|&id| self.values.get(id)) {
                    for item in items {
                        if let Some(Value::List(pair) | Value::Tuple(pair)) = self.values.get(*item)
                            && let &[key, value] = pair.as_slice()
                        {
                            dict.push((key, value));
                        }
                    }
                }
                self.budget.bytes("pickle", size_of_val(dict.as_slice()) as u64)?;
                Value::Dict(dict)
            }
            Global::RebuildTensor | Global::RebuildTensorV3 => {
                let tensor = self.tensor(&global, &arguments);
                Value::Tensor(Box::new(tensor.ok_or_else(|| {
                    cursor.error("tensor", "storage, offset, shape and strides", "other arguments")
                })?))
            }
            Global::RebuildParameter | Global::Typed | Global::Size | Global::Encode => {
                let first = arguments.first().ok_or_else(|| cursor.error("call", "an argument", "none"))?;
                return self.push(*first);
            }
            Global::Device | Global::Plain => Value::Opaque,
            Global::NumpyFromBuffer => {
                // The state that the older function sets: version, shape, type, order, bytes.
                let &[bytes, dtype, shape, order] = arguments.as_slice() else {
                    return Err(cursor.error("array", "bytes, type, shape and order", "other arguments"));
                };
                let is_fortran =
                    matches!(self.values.get(order), Some(Value::Text(order)) if order.as_ref() == "F");
                let order = if is_fortran { TRUE } else { FALSE };
                self.make(Value::Tuple(vec![NONE, shape, dtype, order, bytes]))?;
                Value::Ndarray(Some(self.pop(cursor)?))
            }
            Global::NumpyReconstruct => Value::Ndarray(None),
            Global::NumpyDtype => {
                Value::NumpyDtype { name: arguments.first().copied().unwrap_or(NONE), state: None }
            }
            Global::Object => Value::Object(None),
            Global::Dtype(name) => {
                return Err(cursor.error("call", "a known class or function", quote(&name)));
            }
            Global::NumpyClass => return Err(cursor.error("call", "a known function", "numpy.ndarray")),
        };
        self.make(value)
    }

    fn tensor(&self, global: &Global, arguments: &[Id]) -> Option<Tensor> {
        let [storage, offset, shape, strides, rest @ ..] = arguments else { return None };
        let number = |id: Id| match self.values.get(id)? {
            Value::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        };
        let numbers = |id: Id| match self.values.get(id)? {
            Value::Tuple(items) | Value::List(items) => {
                items.iter().map(|&id| number(id)).collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        let Value::Storage(told) = *self.values.get(*storage)? else { return None };
        let dtype = match rest.get(2).and_then(|&id| self.values.get(id)) {
            Some(Value::Global(Global::Dtype(name))) if *global == Global::RebuildTensorV3 => {
                Some(name.clone())
            }
            _ => None,
        };
        let (shape, strides) = (numbers(*shape)?, numbers(*strides)?);
        let memory = size_of::<Tensor>().saturating_add(size_of_val(shape.as_slice()).saturating_mul(2));
        self.budget.bytes("pickle", memory as u64).ok()?;
        Some(Tensor { storage: told, offset: number(*offset)?, shape, strides, dtype })
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        match Global::of(module, name) {
            Some(global) => self.make(Value::Global(global)),
            None => Err(Error::Global { name: format!("{module}.{name}") }),
        }
    }

    fn long(&mut self, cursor: &mut Cursor<'_>, len: u64) -> Result<()> {
        if len > 8 {
            cursor.skip("number", len)?;
            return self.push(OPAQUE);
        }
        let bytes = cursor.bytes("number", len, self.budget)?;
        let is_negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut all = [if is_negative { 0xFF } else { 0 }; 8];
        all.iter_mut().zip(bytes).for_each(|(into, byte)| *into = byte);
        self.make(Value::Int(i64::from_le_bytes(all)))
    }

    fn text(&mut self, cursor: &mut Cursor<'_>, len: u64) -> Result<()> {
        let text = cursor.text("text", len, self.budget)?;
        self.make(Value::Text(text.into()))
    }

    fn set(&mut self, cursor: &Cursor<'_>, items: Vec<(Id, Id)>) -> Result<()> {
        self.budget.bytes("pickle", size_of_val(items.as_slice()) as u64)?;
        match self.stack.last().and_then(|&id| self.values.get_mut(id)) {
            Some(Value::Dict(all)) => all.extend(items),
            _ => return Err(cursor.error("items", "a dictionary before them", "another value")),
        }
        Ok(())
    }

    fn append(&mut self, cursor: &Cursor<'_>, items: Vec<Id>) -> Result<()> {
        self.budget.bytes("pickle", size_of_val(items.as_slice()) as u64)?;
        match self.stack.last().and_then(|&id| self.values.get_mut(id)) {
            Some(Value::List(all)) => all.extend(items),
            _ => return Err(cursor.error("items", "a list before them", "another value")),
        }
        Ok(())
    }

    fn put(&mut self, cursor: &Cursor<'_>, place: u32) -> Result<()> {
        let top = *self.stack.last().ok_or_else(|| empty(cursor))?;
        // Places are given out one after the other, each by an operation.
        if u64::from(place) >= cursor.position() {
            let expected = format!("below {}, as many as bytes before", cursor.position());
            return Err(cursor.error("place of the memo", expected, place));
        }
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let more = place.saturating_add(1).saturating_sub(self.memo.len());
        self.budget.bytes("memo of a pickle", more.saturating_mul(size_of::<Option<Id>>()) as u64)?;
        if more > 0 {
            self.memo.resize(place.saturating_add(1), None);
        }
        if let Some(slot) = self.memo.get_mut(place) {
            *slot = Some(top);
        }
        Ok(())
    }

    fn get(&mut self, cursor: &Cursor<'_>, place: u64) -> Result<()> {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        match self.memo.get(place).copied().flatten() {
            Some(id) => self.push(id),
            None => Err(cursor.error("place of the memo", "one that was filled", place)),
        }
    }

    fn make(&mut self, value: Value) -> Result<()> {
        self.budget.tensor("values of a pickle")?;
        let own = match &value {
            Value::Tuple(items) | Value::List(items) => size_of_val(items.as_slice()),
            Value::Dict(items) => size_of_val(items.as_slice()),
            _ => 0,
        };
        self.budget.bytes("pickle", own.saturating_add(size_of::<Value>()) as u64)?;
        let id = self.values.len();
        self.values.push(value);
        self.push(id)
    }

    fn push(&mut self, id: Id) -> Result<()> {
        if self.stack.len() == self.stack.capacity() {
            self.budget.bytes("stack of a pickle", size_of_val(self.stack.as_slice()) as u64)?;
        }
        self.stack.push(id);
        Ok(())
    }

    fn mark(&mut self) -> Result<()> {
        self.budget.bytes("stack of a pickle", size_of::<usize>() as u64)?;
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop(&mut self, cursor: &Cursor<'_>) -> Result<Id> {
        self.stack.pop().ok_or_else(|| empty(cursor))
    }

    fn pop_mark(&mut self, cursor: &Cursor<'_>) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| empty(cursor))?;
        if mark > self.stack.len() {
            return Err(empty(cursor));
        }
        Ok(self.stack.split_off(mark))
    }
}

/// A length of one, four or eight bytes.
fn length(cursor: &mut Cursor<'_>, is_short: bool, is_long: bool) -> Result<u64> {
    let what = "length of a value";
    match (is_short, is_long) {
        (true, _) => cursor.u8(what).map(u64::from),
        (_, true) => cursor.u64(what),
        _ => cursor.u32(what).map(u64::from),
    }
}

fn empty(cursor: &Cursor<'_>) -> Error {
    cursor.error("stack of the pickle", "a value", "none")
}

fn pairs(cursor: &Cursor<'_>, items: &[Id]) -> Result<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(cursor.error("items of a dictionary", "a value for each key", "none for the last"));
    }
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}
