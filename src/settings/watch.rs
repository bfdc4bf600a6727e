//! Files that may change while the server runs: whether one is another than the one that was read.
//! Nobody is told by the system; whoever wants to know asks now and then. What is done about it is
//! the business of `reload`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files, and what they were when they were last looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Vec<(PathBuf, Option<Stamp>)>);

/// What tells one version of a file from the next: a file that is put in the place of another has
/// another number.
type Stamp = (u64, i64, i64, u64);

impl Watch {
    /// As they are now, which must be before they are read.
    pub fn of<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        Self(files.map(|file| (file.to_path_buf(), stamp(file))).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one has changed, come or gone since the last time.
    pub fn has_changed(&mut self) -> bool {
        let mut changed = false;
        for (file, last) in &mut self.0 {
            let now = stamp(file);
            changed |= now != *last;
            *last = now;
        }
        changed
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let data = fs::metadata(file).ok()?;
    Some((data.ino(), data.mtime(), data.mtime_nsec(), data.size()))
}
