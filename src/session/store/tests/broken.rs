//! On a disk that fails at any one step.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use zeroize::Zeroizing;

use super::*;

/// Files in memory; the step of this number fails, and from there on all of them where `for_good`.
#[derive(Debug, Clone, Default)]
struct Faulty(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, Vec<u8>>,
    steps: usize,
    fails_at: Option<usize>,
    for_good: bool,
}

impl Faulty {
    fn step(&self) -> Result<std::sync::MutexGuard<'_, Inner>, StoreError> {
        let mut inner = self.0.lock().unwrap();
        inner.steps += 1;
        let steps = inner.steps;
        match inner.fails_at {
            Some(at) if at == steps || (inner.for_good && steps > at) => {
                Err(StoreError { what: format!("step {steps}"), hint: "make room".into() })
            }
            _ => Ok(inner),
        }
    }

    fn fail_at(&self, step: Option<usize>, for_good: bool) {
        let mut inner = self.0.lock().unwrap();
        (inner.steps, inner.fails_at, inner.for_good) = (0, step, for_good);
    }
}

struct Part {
    disk: Faulty,
    name: String,
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Half of it arrives before the disk is full.
        let fits = self.disk.step().is_ok();
        let part = if fits { bytes } else { &bytes[..bytes.len() / 2] };
        self.disk.0.lock().unwrap().files.get_mut(&self.name).unwrap().extend_from_slice(part);
        if fits { Ok(bytes.len()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft for Part {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.step().map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

impl Disk for Faulty {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(self.0.lock().unwrap().files.get(name).cloned().map(Zeroizing::new))
    }

    fn create(&self, name: &str) -> Result<Box<dyn Draft>, StoreError> {
        assert!(self.step()?.files.insert(name.into(), Vec::new()).is_none());
        Ok(Box::new(Part { disk: self.clone(), name: name.into() }))
    }

    fn link(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut inner = self.step()?;
        let content = inner.files[from].clone();
        inner.files.insert(to.into(), content);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut inner = self.step()?;
        let content = inner.files.remove(from).unwrap();
        inner.files.insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.step()?.files.remove(name);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.step().map(drop)
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }

    fn try_lock(&self, _: &str) -> Result<Option<Lock>, StoreError> {
        Ok(Some(Lock::unneeded()))
    }

    fn shown(&self, name: &str) -> String {
        name.into()
    }
}

#[tokio::test]
async fn a_write_that_fails_at_any_step_is_said_and_leaves_the_old_document_or_the_new_one() {
    let mut steps = 0;
    for for_good in [false, true] {
        for step in 1.. {
            let disk = Faulty::default();
            let store = FileStore::new(disk.clone(), owned());
            let _lock = store.lock().await.unwrap();
            store.commit(Some(pair(1))).await.unwrap();
            disk.fail_at(Some(step), for_good);
            let committed = store.commit(Some(pair(2))).await;
            let left = FileStore::new(disk.clone(), owned()).load().await.unwrap().unwrap();
            if committed.is_ok() {
                assert_eq!(left, pair(2));
                steps = step - 1;
                break;
            }
            assert!(left == pair(1) || left == pair(2), "step {step}");
            assert!(!committed.unwrap_err().hint.is_empty());
            disk.fail_at(None, false);
            store.commit(Some(pair(2))).await.unwrap();
            assert_eq!(store.load().await.unwrap(), Some(pair(2)), "the next try heals it");
        }
    }
    // create, write, sync, link, rename, rename, sync of the directory.
    assert_eq!(steps, 7);
}
