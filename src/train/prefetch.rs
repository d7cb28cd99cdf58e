//! Batches that are made ahead of their use.

use super::{Batch, Dataset};
use crate::Result;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

/// Finished batches that wait for their use. One more is in the making.
const AHEAD: usize = 1;

/// The padded batches of an epoch, made on a thread of their own while earlier ones are in use. Where there
/// are no threads, as in browsers, each is made when it is asked for.
///
/// A drop ends the thread. A panic on the thread, in the clone of a label, is the caller's.
///
/// ```
/// use ndarray::Array2;
/// use std::sync::Arc;
/// use wgpu_rnn::train::{Dataset, Loader, Prefetch};
///
/// let sequences = (1..6).map(|length| Array2::ones((length, 3))).collect();
/// let dataset = Arc::new(Dataset::new(sequences, vec![0, 1, 0, 1, 0])?);
/// let loader = Loader::new(&dataset.lengths(), 2);
/// for batch in Prefetch::new(&dataset, loader.epoch(0)?) {
///     let batch = batch?;
///     assert_eq!(batch.input.dim().1, batch.labels.len());
/// }
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Debug)]
pub struct Prefetch<L = i32> {
    dataset: Arc<Dataset<L>>,
    batches: Arc<Vec<Vec<usize>>>,
    next: usize,
    /// None where batches are made when they are asked for.
    worker: Option<Worker<L>>,
}

#[derive(Debug)]
struct Worker<L> {
    receiver: Receiver<Result<Batch<L>>>,
    thread: JoinHandle<()>,
}

impl<L: Clone + Send + Sync + 'static> Prefetch<L> {
    /// The batches of these places.
    pub fn new(dataset: &Arc<Dataset<L>>, batches: Vec<Vec<usize>>) -> Prefetch<L> {
        let (dataset, batches) = (dataset.clone(), Arc::new(batches));
        let (sender, receiver) = sync_channel(AHEAD);
        let work = {
            let (dataset, batches) = (dataset.clone(), batches.clone());
            move || {
                let mut made = batches.iter().map(|indices| dataset.batch(indices));
                // Nobody receives after a drop.
                let _ = made.all(|batch| sender.send(batch).is_ok());
            }
        };
        let thread = thread::Builder::new().name("batches".into()).spawn(work);
        let worker = thread.ok().map(|thread| Worker { receiver, thread });
        Prefetch { dataset, batches, next: 0, worker }
    }
}

impl<L: Clone> Iterator for Prefetch<L> {
    type Item = Result<Batch<L>>;

    fn next(&mut self) -> Option<Result<Batch<L>>> {
        let indices = self.batches.get(self.next)?;
        self.next += 1;
        let Some(worker) = &self.worker else { return Some(self.dataset.batch(indices)) };
        if let Ok(batch) = worker.receiver.recv() {
            return Some(batch);
        }
        // The thread has ended before its last batch.
        self.next = self.batches.len();
        if let Some(Err(panic)) = self.worker.take().map(|worker| worker.thread.join()) {
            resume_unwind(panic);
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batches.len() - self.next;
        (left, Some(left))
    }
}

impl<L: Clone> ExactSizeIterator for Prefetch<L> {}

impl<L> Drop for Prefetch<L> {
    fn drop(&mut self) {
        if let Some(Worker { receiver, thread }) = self.worker.take() {
            // A send without a receiver fails, and the thread ends.
            drop(receiver);
            let _ = thread.join();
        }
    }
}
