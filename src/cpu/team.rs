//! A team: threads that go through time together, each with some units of one direction. After each product's
//! update the members tell each other their part of the next product's operand.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Turns of a loop that waits, before the processor is given to other threads.
const PATIENCE: usize = 10_000;

/// The bit of [`Team::door`] that is set once the team is closed.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// The memory that the members of a team share.
#[derive(Debug)]
pub struct Team {
    /// The members that have come; the leader is there from the beginning.
    door: AtomicUsize,
    /// The exchanges that each member has begun, each in a cache line of its own.
    begun: Vec<Turns>,
    /// The operands of two exchanges that follow each other, `[N, width]`, two floats in each number.
    operands: [Vec<AtomicU64>; 2],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Turns(AtomicUsize);

impl Team {
    /// A team of at most `size` members, whose operands have at most `numbers` numbers.
    pub fn new(size: usize, numbers: usize) -> Team {
        let operand = || (0..numbers.div_ceil(2)).map(|_| AtomicU64::new(0)).collect();
        let begun = (0..size).map(|_| Turns::default()).collect();
        Team { door: AtomicUsize::new(1), begun, operands: [operand(), operand()] }
    }

    /// The place of one more member; none if the team has begun without it.
    pub fn join(&self) -> Option<usize> {
        let come = |come| (come & CLOSED == 0).then_some(come + 1);
        self.door.fetch_update(Ordering::AcqRel, Ordering::Acquire, come).ok()
    }

    /// Closes the team: no more members may come.
    pub fn close(&self) {
        self.door.fetch_or(CLOSED, Ordering::AcqRel);
    }
}

/// A member on its way through time. One that panics holds up none of the others.
#[derive(Debug)]
pub struct Member<'a> {
    team: &'a Team,
    place: usize,
    /// The number of members.
    members: usize,
    /// The exchanges so far.
    turn: usize,
}

impl<'a> Member<'a> {
    pub fn new(team: &'a Team, place: usize) -> Member<'a> {
        Member { team, place, members: 0, turn: 0 }
    }

    /// Waits until the team is closed, and returns how many members there are.
    pub fn begin(&mut self) -> usize {
        wait(|| self.team.door.load(Ordering::Acquire) & CLOSED != 0);
        self.members = self.team.door.load(Ordering::Acquire) & !CLOSED;
        #[cfg(test)]
        tests::LARGEST.fetch_max(self.members, Ordering::Relaxed);
        self.members
    }

    /// The operand that all members write their numbers into, and read when all have called
    /// [`wait`](Member::wait).
    ///
    /// A member writes it again two exchanges later, when the others have begun the one between and so have
    /// read it.
    pub fn operand(&self) -> &'a [AtomicU64] {
        &self.team.operands[self.turn % 2]
    }

    /// Waits until all members have written their numbers.
    pub fn wait(&mut self) {
        self.turn += 1;
        self.team.begun[self.place].0.store(self.turn, Ordering::Release);
        for other in &self.team.begun[..self.members] {
            wait(|| other.0.load(Ordering::Acquire) >= self.turn);
        }
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.team.close();
        self.team.begun[self.place].0.store(usize::MAX, Ordering::Release);
    }
}

/// Waits until a condition holds that a running thread will soon make true.
fn wait(is_so: impl Fn() -> bool) {
    let mut turns = 0;
    while !is_so() {
        turns += 1;
        if turns < PATIENCE { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
}

/// Writes numbers from place `first` on.
pub fn write(operand: &[AtomicU64], first: usize, numbers: &[f32]) {
    let pairs = numbers.as_chunks::<2>().0;
    for (place, &pair) in operand[first / 2..].iter().zip(pairs) {
        place.store(bytemuck::cast(pair), Ordering::Relaxed);
    }
}

/// Reads numbers from place `first` on.
pub fn read(operand: &[AtomicU64], first: usize, numbers: &mut [f32]) {
    let pairs = numbers.as_chunks_mut::<2>().0;
    for (place, pair) in operand[first / 2..].iter().zip(pairs) {
        *pair = bytemuck::cast(place.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Engine, Init, Rnn, Weights};
    use ndarray::Array3;

    /// The members of the largest team so far.
    pub static LARGEST: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_pool_of_two_threads_makes_a_team_of_two() {
        let weights = Weights::init(&Config::lstm(256).input_size(8), &Init::pytorch()).unwrap();
        let input = Array3::from_shape_fn((40, 1, 8), |(t, _, i)| ((7 * t + i) % 5) as f32 - 2.0);
        let pools =
            [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
        let rnn = Rnn::new(&Engine::cpu(), weights);
        let [alone, shared] = pools.each_ref().map(|pool| {
            pool.install(|| {
                // A thread of a busy machine may come too late for some calls.
                let mut calls = (0..1000).map(|_| rnn.forward(&input, None).unwrap().output);
                let first = calls.next().unwrap();
                let is_done = || pool.current_num_threads() == 1 || LARGEST.load(Ordering::Relaxed) == 2;
                while !is_done() {
                    assert_eq!(calls.next().expect("a team of two"), first);
                }
                first
            })
        });
        assert_eq!(shared, alone);
    }
}
