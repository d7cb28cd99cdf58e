//! Pipelines as the driver has compiled them, in a file for the next engine.

use super::Gpu;
use crate::cache::{CacheFile, checksum};
use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// A pipeline cache and its file.
#[derive(Debug)]
pub(crate) struct PipelineCache {
    file: CacheFile,
    cache: wgpu::PipelineCache,
    /// Bytes that the file had for it.
    pub restored: u64,
    /// True if there are pipelines that the file may not have.
    has_more: AtomicBool,
    /// The checksum of the file's content.
    sum: AtomicU64,
}

/// Cache data that the driver itself gave out once, as far as a checksum and the names of adapter, driver and
/// libraries can tell.
#[derive(Debug)]
pub(super) struct Verified(Vec<u8>);

impl Verified {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Behind their checksum.
    fn of(body: &[u8]) -> Option<Verified> {
        let (sum, data) = body.split_first_chunk::<SUM>()?;
        (checksum(data) == u64::from_le_bytes(*sum)).then(|| Verified(data.to_vec()))
    }
}

/// Bytes of a checksum.
const SUM: usize = 8;

impl PipelineCache {
    /// None where the adapter has no such thing.
    pub async fn open(gpu: &Gpu, path: PathBuf) -> Option<PipelineCache> {
        let key = wgpu::util::pipeline_cache_key(&gpu.device.adapter_info());
        let has_feature = gpu.device.features().contains(wgpu::Features::PIPELINE_CACHE);
        let Some(key) = key.filter(|_| has_feature) else {
            log::info!("{} keeps no pipelines", gpu.name);
            return None;
        };
        let version = env!("CARGO_PKG_VERSION");
        let file =
            CacheFile::new(path, &format!("wgpu-rnn pipelines 1; wgpu-rnn {version}; {key}; {}", gpu.name));
        let body = file.read();
        let data = body.as_deref().and_then(Verified::of);
        if body.is_some() && data.is_none() {
            log::warn!("{} is ignored: it is not as it was written", file.path().display());
        }
        let sum = data.as_ref().map_or(0, |data| checksum(data.bytes()));
        let restored = data.as_ref().map_or(0, |data| data.bytes().len() as u64);
        match gpu.scoped(|| super::pipelines::new_cache(&gpu.device, data.as_ref())).await {
            Ok(cache) => {
                log::info!("{restored} bytes of pipelines from {}", file.path().display());
                Some(PipelineCache {
                    file,
                    cache,
                    restored,
                    has_more: AtomicBool::new(false),
                    sum: AtomicU64::new(sum),
                })
            }
            Err(error) => {
                log::warn!("no pipelines are kept: {error}");
                None
            }
        }
    }

    /// For one more pipeline.
    pub fn cache(&self) -> &wgpu::PipelineCache {
        self.has_more.store(true, Ordering::Relaxed);
        &self.cache
    }

    /// Writes the file, if there are pipelines that the file does not have.
    pub fn save(&self) {
        if !self.has_more.swap(false, Ordering::Relaxed) {
            return;
        }
        let Some(data) = self.cache.get_data() else { return };
        let sum = checksum(&data);
        if self.sum.swap(sum, Ordering::Relaxed) != sum {
            self.file.write(&[&sum.to_le_bytes(), data.as_slice()].concat());
        }
    }
}

impl Drop for PipelineCache {
    /// The pipelines of a call that failed.
    fn drop(&mut self) {
        self.save();
    }
}
