//! Waiting in a page: `/jspi.js` has the two functions that suspend and resume.

use js_sys::Uint8Array;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[link(wasm_import_module = "/jspi.js")]
unsafe extern "C" {
    /// Suspends this computation until [`resume`] is called, or goes on at once if it has been.
    safe fn suspend();
    safe fn resume();
}

#[wasm_bindgen(inline_js = r#"
export async function read(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}
"#)]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn read(path: &str) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub fn console_error(text: &str);
}

struct Resume;

impl Wake for Resume {
    fn wake(self: Arc<Resume>) {
        resume();
    }
}

/// Waits for a future. There is one suspended computation at a time: the stack in memory is one.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Resume));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => suspend(),
        }
    }
}

/// The bytes of a file of the page's server.
///
/// # Panics
/// Panics where there is none: trials have their files.
pub fn bytes_of(path: &str) -> Vec<u8> {
    match block_on(read(path)) {
        Ok(bytes) => Uint8Array::from(bytes).to_vec(),
        Err(error) => panic!("{path}: {error:?}"),
    }
}
