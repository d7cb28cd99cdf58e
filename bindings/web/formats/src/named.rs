//! Arrays of a file by their names: those of other layers than recurrent ones.

use crate::arrays::to_js;
use crate::error::{self, Result};
use ndarray::ArrayD;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::file::{self, Limits};

/// The arrays of a file of any kind that networks are read from: an embedding, a convolution, a linear layer.
#[wasm_bindgen]
pub struct Arrays(file::Arrays);

#[wasm_bindgen]
impl Arrays {
    /// Reads the headers of a file.
    pub fn read(
        #[wasm_bindgen(unchecked_param_type = "Uint8Array | ArrayBuffer")] bytes: JsValue,
    ) -> Result<Arrays> {
        let bytes = crate::arrays::bytes("bytes", &bytes)?;
        file::Arrays::from_bytes(bytes, Limits::default()).map(Arrays).map_err(error::of)
    }

    /// The names of all arrays, in the file's order.
    pub fn names(&self) -> Vec<String> {
        self.0.names().map(str::to_owned).collect()
    }

    /// The numbers of the array of this name, with their shape.
    #[wasm_bindgen(unchecked_return_type = "Array32")]
    pub fn array(&self, name: &str) -> Result<JsValue> {
        let array: ArrayD<f32> = self.0.array(name).map_err(error::of)?;
        Ok(to_js(&array))
    }
}
