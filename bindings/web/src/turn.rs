//! The turns of asynchronous calls that change a thing.

use crate::error::{Result, argument};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// A thing that one call at a time may change. It is taken out while a call runs; another call meanwhile is
/// refused, and not deferred.
pub struct Turn<T> {
    name: &'static str,
    thing: RefCell<Option<T>>,
}

impl<T> Turn<T> {
    pub fn new(name: &'static str, thing: T) -> Turn<T> {
        Turn { name, thing: RefCell::new(Some(thing)) }
    }

    /// The thing, until the answer is dropped.
    pub fn take(&self) -> Result<Taken<'_, T>> {
        let thing = self.thing.take();
        let thing =
            thing.ok_or_else(|| argument(self.name, "one call at a time", "a call that still runs"))?;
        Ok(Taken(self, Some(thing)))
    }
}

/// A thing that is taken out.
pub struct Taken<'a, T>(&'a Turn<T>, Option<T>);

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.1.as_ref().expect("it is given back when it is dropped")
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.1.as_mut().expect("it is given back when it is dropped")
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.0.thing.replace(self.1.take());
    }
}
