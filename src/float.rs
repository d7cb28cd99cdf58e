//! The two kinds of number that the reference computes in.

use safetensors::Dtype;

/// `f32` or `f64`.
pub trait Float:
    num_traits::Float + num_traits::ToBytes<Bytes: AsRef<[u8]>> + std::fmt::Debug + Send + Sync + 'static
{
    /// The name of the type in safetensors files.
    #[doc(hidden)]
    const DTYPE: Dtype;
}

impl Float for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

impl Float for f64 {
    const DTYPE: Dtype = Dtype::F64;
}
