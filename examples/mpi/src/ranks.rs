//! The processes of a run, and what they tell each other.

use crate::ending::Failure;
use mpi::Threading;
use mpi::collective::{CommunicatorCollectives, SystemOperation};
use mpi::environment::Universe;
use mpi::topology::{Communicator, SimpleCommunicator};
use std::error::Error;
use wgpu_rnn::Naming;
use wgpu_rnn::train::Trainer;

/// The exit code of a job that a rank has ended.
const FAILED: i32 = 2;

pub struct Ranks(Universe);

impl Ranks {
    /// Joins the other processes. Threads that make batches never call MPI.
    pub fn join() -> Result<Ranks, Failure> {
        let joined = mpi::initialize_with_threading(Threading::Funneled);
        Ok(Ranks(joined.ok_or("MPI: expected a process that begins, found one that was begun")?.0))
    }

    /// The rank of this process, and their number.
    pub fn place(&self) -> [usize; 2] {
        let world = self.0.world();
        [world.rank() as usize, world.size() as usize]
    }

    /// The sum over all ranks, for [`Trainer::reduce`]. A failure of MPI ends the job.
    pub fn sum() -> impl FnMut(&mut [f32]) -> Result<(), Box<dyn Error + Send + Sync>> + Send + 'static {
        let mut own = Vec::new();
        move |numbers| {
            own.clear();
            own.extend_from_slice(numbers);
            SimpleCommunicator::world().all_reduce_into(&own[..], numbers, SystemOperation::sum());
            Ok(())
        }
    }

    /// Waits for all ranks.
    pub fn meet(&self) {
        self.0.world().barrier();
    }

    /// Refuses ranks whose parameters or steps are not equal to the bit. All ranks have to call it.
    pub fn check_equal(&self, trainer: &mut Trainer) -> Result<(), Failure> {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&trainer.steps().to_le_bytes());
        let (weights, head) = trainer.weights()?;
        let numbers = weights.tensors(Naming::PyTorch).flat_map(|(_, tensor)| tensor.to_owned().into_iter());
        for number in numbers.chain(head.params().as_slice().iter().copied()) {
            sum.update(&number.to_le_bytes());
        }
        let own = sum.finalize();
        // The largest, and the complement of the least.
        let mut ends = [0; 2];
        self.0.world().all_reduce_into(&[own, !own][..], &mut ends[..], SystemOperation::max());
        if ends[0] == !ends[1] {
            return Ok(());
        }
        let expected = format!("checksum {own:08x} of all ranks after step {}", trainer.steps());
        Err(format!("parameters: expected {expected}, found {:08x} to {:08x}", !ends[1], ends[0]).into())
    }

    /// Ends all processes.
    pub fn abort(&self) -> ! {
        self.0.world().abort(FAILED)
    }
}
