//! A disk that dies at a given step, and that a power cut makes forget what was not synced.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portunus::session::{Disk, Draft, Lock, StoreError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zeroize::Zeroizing;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// SIGKILL: what was written is there, synced or not.
    Process,
    /// The power goes: of what was not synced some is there, in any order, some in part, some not at all.
    Power,
}

/// A disk, and the count of steps that everything dies at; shared with the portal, whose calls are steps too.
#[derive(Debug, Clone)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    files: Vec<Content>,
    /// The names as they are on the platter.
    durable: BTreeMap<String, usize>,
    /// What changed since, in order: a name and the file it is now on.
    pending: Vec<Vec<(String, Option<usize>)>>,
    steps: u64,
    dies_at: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    written: Vec<u8>,
    synced: Vec<u8>,
}

impl SimDisk {
    pub(crate) fn new() -> Self {
        let (files, durable, pending) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self(Arc::new(Mutex::new(State { files, durable, pending, steps: 0, dies_at: None })))
    }

    /// Everything stops at this many steps from now.
    pub(crate) fn die_at(&self, step: u64) {
        let mut state = self.state();
        (state.steps, state.dies_at) = (0, Some(step));
    }

    pub(crate) fn is_dead(&self) -> bool {
        let state = self.state();
        state.dies_at.is_some_and(|at| state.steps >= at)
    }

    /// One step: false once everything has stopped.
    pub(crate) fn step(&self) -> bool {
        let mut state = self.state();
        state.steps += 1;
        state.dies_at.is_none_or(|at| state.steps < at)
    }

    /// What the next start finds.
    pub(crate) fn after(&self, death: Death, seed: u64) -> Self {
        let state = self.state();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut names = state.durable.clone();
        for change in &state.pending {
            let happened = death == Death::Process || rng.random_bool(0.5);
            for (name, file) in change.iter().filter(|_| happened) {
                match file {
                    Some(file) => drop(names.insert(name.clone(), *file)),
                    None => drop(names.remove(name)),
                }
            }
        }
        let files = state.files.iter().map(|file| {
            let kept = match death {
                Death::Process => file.written.clone(),
                Death::Power if file.written == file.synced => file.synced.clone(),
                Death::Power => match rng.random_range(0..4) {
                    0 => file.synced.clone(),
                    1 => file.written.clone(),
                    2 => file.written[..rng.random_range(0..=file.written.len())].to_vec(),
                    // The length arrived, the blocks did not.
                    _ => vec![0; file.written.len()],
                },
            };
            Content { synced: kept.clone(), written: kept }
        });
        let files = files.collect();
        let state = State { files, durable: names, pending: Vec::new(), steps: 0, dies_at: None };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn living(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        if self.step() { Ok(self.state()) } else { Err(dead()) }
    }
}

impl State {
    fn names(&self) -> BTreeMap<String, usize> {
        let mut names = self.durable.clone();
        for (name, file) in self.pending.iter().flatten() {
            match file {
                Some(file) => drop(names.insert(name.clone(), *file)),
                None => drop(names.remove(name)),
            }
        }
        names
    }

    fn file(&self, name: &str) -> Result<usize, StoreError> {
        self.names().get(name).copied().ok_or_else(|| missing(name))
    }
}

struct SimDraft {
    disk: SimDisk,
    file: usize,
}

impl Write for SimDraft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let alive = self.disk.step();
        // The step at which it dies may be in the middle of a write.
        let part = if alive { bytes } else { &bytes[..bytes.len() / 2] };
        self.disk.state().files[self.file].written.extend_from_slice(part);
        if alive { Ok(bytes.len()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft for SimDraft {
    fn sync(&mut self) -> io::Result<()> {
        if !self.disk.step() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let file = &mut self.disk.state().files[self.file];
        file.synced.clone_from(&file.written);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let state = self.living()?;
        Ok(state.names().get(name).map(|file| Zeroizing::new(state.files[*file].written.clone())))
    }

    fn create(&self, name: &str) -> Result<Box<dyn Draft>, StoreError> {
        let mut state = self.living()?;
        let file = state.files.len();
        state.files.push(Content::default());
        state.pending.push(vec![(name.to_owned(), Some(file))]);
        Ok(Box::new(SimDraft { disk: self.clone(), file }))
    }

    fn link(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut state = self.living()?;
        let file = state.file(from)?;
        state.pending.push(vec![(to.to_owned(), Some(file))]);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut state = self.living()?;
        let file = state.file(from)?;
        state.pending.push(vec![(from.to_owned(), None), (to.to_owned(), Some(file))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let mut state = self.living()?;
        state.file(name)?;
        state.pending.push(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut state = self.living()?;
        state.durable = state.names();
        state.pending.clear();
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.living()?.names().into_keys().collect())
    }

    fn try_lock(&self, _: &str) -> Result<Option<Lock>, StoreError> {
        drop(self.living()?);
        Ok(Some(Lock::unneeded()))
    }

    fn shown(&self, name: &str) -> String {
        format!("(simulated)/{name}")
    }
}

fn dead() -> StoreError {
    StoreError { what: "the power is off".into(), hint: "start again".into() }
}

fn missing(name: &str) -> StoreError {
    StoreError { what: format!("there is no {name}"), hint: "this is a mistake of the test".into() }
}
