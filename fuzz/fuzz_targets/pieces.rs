//! A file that is read by range is the same network, or the same error, as its bytes in memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::Write;
use wgpu_rnn::{Naming, Weights};

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    let (whole, pieces) = (Weights::reader().from_bytes(bytes), Weights::load(file.path()));
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(whole.config(), pieces.config());
            let (whole, pieces) =
                (whole.to_safetensors(Naming::PyTorch), pieces.to_safetensors(Naming::PyTorch));
            assert_eq!(whole.expect("bytes"), pieces.expect("bytes"));
        }
        (Err(whole), Err(pieces)) => {
            assert!(pieces.to_string().ends_with(&whole.to_string()), "{whole} and {pieces}");
        }
        (whole, pieces) => panic!("{:?} and {:?}", whole.err(), pieces.err()),
    }
});
