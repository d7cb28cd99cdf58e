//! Promises of asynchronous calls.

use crate::error::Result;
use js_sys::Promise;
use std::future::Future;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

/// The promise of a call whose arguments have been read. They are read when the call is made, before the
/// caller can change its arrays; a mistake in them rejects the promise.
pub fn promise<F, T>(call: Result<F>) -> Promise
where
    F: Future<Output = Result<T>> + 'static,
    T: Into<JsValue>,
{
    match call {
        Ok(call) => future_to_promise(async { call.await.map(Into::into) }),
        Err(error) => Promise::reject(&error),
    }
}
