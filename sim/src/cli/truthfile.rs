//! The log of truth on its way to the disk, on a thread of its own: a slow disk must not hold up
//! the exchange before 16 MiB wait.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

const CHUNK: usize = 1 << 16;
const CHUNKS: usize = 256;

/// Collects writes and hands them to the thread in chunks.
pub(super) struct TruthFile {
    chunk: Vec<u8>,
    to: Option<SyncSender<Vec<u8>>>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

impl TruthFile {
    pub(super) fn create(path: &Path) -> io::Result<TruthFile> {
        let mut file = File::create(path)?;
        let (to, from) = sync_channel::<Vec<u8>>(CHUNKS);
        let writer =
            thread::spawn(move || from.iter().try_for_each(|chunk| file.write_all(&chunk)));
        Ok(TruthFile { chunk: Vec::with_capacity(CHUNK), to: Some(to), writer: Some(writer) })
    }

    fn hand_on(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = core::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        let sent = self.to.as_ref().is_some_and(|to| to.send(chunk).is_ok());
        if sent { Ok(()) } else { Err(io::Error::other("its writer has stopped")) }
    }
}

impl Write for TruthFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.hand_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_on()
    }
}

impl Drop for TruthFile {
    fn drop(&mut self) {
        let _ = self.hand_on();
        self.to = None;
        if let Some(Ok(Err(error))) = self.writer.take().map(JoinHandle::join) {
            eprintln!("candor-exchange: the log of truth is not whole: {error}");
        }
    }
}
