//! The turns of calls that change a thing.

use futures_intrusive::sync::{LocalMutex, LocalMutexGuard};
use std::rc::Rc;

/// A thing that one call at a time may change. Calls take their turns in the order in which they were made;
/// those that still wait keep the thing, also when its object is freed.
pub struct Turn<T>(Rc<LocalMutex<T>>);

impl<T> Clone for Turn<T> {
    fn clone(&self) -> Turn<T> {
        Turn(self.0.clone())
    }
}

impl<T> Turn<T> {
    pub fn new(thing: T) -> Turn<T> {
        Turn(Rc::new(LocalMutex::new(thing, true)))
    }

    /// The thing, until the answer is dropped.
    pub async fn take(&self) -> LocalMutexGuard<'_, T> {
        self.0.lock().await
    }
}
