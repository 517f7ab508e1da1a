//! Standard error, which nobody of the handler ever waits for: a terminal that was stopped or a
//! collector that hangs must not hold up a signal, a membership or a command. Lines go into a bounded
//! queue, one thread writes them, and what found no room is counted and said later.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written.
const ROOM: usize = 4_096;

/// How often the thread looks by itself; it is woken for every line.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long the end waits for lines that are still to be written.
const END_WITHIN: Duration = Duration::from_millis(500);

/// The thread that writes. [`Writer::finish`] ends it.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

/// Where lines are put; a [`MakeWriter`].
#[derive(Clone, Debug)]
pub struct Lines {
    queue: Arc<Queue>,
    thread: thread::Thread,
}

#[derive(Debug)]
struct Queue {
    lines: ArrayQueue<Vec<u8>>,
    dropped: AtomicU64,
    ending: AtomicBool,
}

impl Writer {
    /// Starts a thread that writes to standard error.
    ///
    /// # Errors
    /// When the host gives no thread.
    pub fn start() -> io::Result<Writer> {
        Writer::to(io::stderr(), ROOM)
    }

    /// One that writes where a test can look.
    #[cfg(test)]
    pub(crate) fn into_memory() -> (Writer, Arc<std::sync::Mutex<Vec<u8>>>) {
        struct Memory(Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Memory {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().expect("nobody panics").extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Arc::default();
        let writer = Writer::to(Memory(Arc::clone(&written)), ROOM).expect("a thread");
        (writer, written)
    }

    fn to(out: impl Write + Send + 'static, room: usize) -> io::Result<Writer> {
        let queue = Arc::new(Queue {
            lines: ArrayQueue::new(room),
            dropped: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&queue);
        let thread =
            thread::Builder::new().name("log".to_owned()).spawn(move || of_thread.empty(out))?;
        Ok(Writer { queue, thread })
    }

    /// Where to put lines.
    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines { queue: Arc::clone(&self.queue), thread: self.thread.thread().clone() }
    }

    /// Waits a little for what is still to be written. What standard error does not take by then is
    /// lost with the process.
    pub fn finish(self) {
        self.queue.ending.store(true, Ordering::Release);
        self.thread.thread().unpark();
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while !self.thread.is_finished() && waited < END_WITHIN {
            thread::park_timeout(step);
            waited += step;
        }
    }
}

impl Queue {
    /// Writes what comes until the end is near and nothing is left.
    fn empty(&self, mut out: impl Write) {
        loop {
            // Asked before the queue is: what was put there before the end is written.
            let ending = self.ending.load(Ordering::Acquire);
            while let Some(line) = self.lines.pop() {
                // Where nobody reads any more there is nobody to tell.
                let _ = out.write_all(&line);
            }
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                let _ = writeln!(out, "candor: {dropped} lines of the log found no room here");
            }
            let _ = out.flush();
            if ending {
                return;
            }
            thread::park_timeout(LOOK_EVERY);
        }
    }
}

impl Lines {
    /// Puts one line there, its line break included. Never waits.
    pub fn put(&self, line: &[u8]) {
        if self.queue.lines.push(line.to_vec()).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.thread.unpark();
    }
}

/// One event's line.
#[derive(Debug)]
pub struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An event is formatted whole and written in one piece.
        self.0.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Takes a write only when it is given leave to.
    struct Slow {
        leave: Receiver<()>,
        taken: Arc<Mutex<String>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.leave.recv();
            self.taken.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(room: usize) -> (Writer, Sender<()>, Arc<Mutex<String>>) {
        let (give, leave) = channel();
        let taken = Arc::new(Mutex::new(String::new()));
        let writer = Writer::to(Slow { leave, taken: Arc::clone(&taken) }, room).unwrap();
        (writer, give, taken)
    }

    #[test]
    fn who_writes_never_waits_and_what_was_dropped_is_said() {
        let (writer, give, taken) = slow(8);
        let lines = writer.lines();
        lines.put(b"first\n");
        // One is with the thread, which is stuck, and eight have room.
        while !writer.queue.lines.is_empty() {
            thread::yield_now();
        }
        for number in 0..11 {
            lines.make_writer().write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        assert_eq!(*taken.lock().unwrap(), "");
        drop(give);
        writer.finish();
        let taken = taken.lock().unwrap();
        assert!(taken.starts_with("first\n0\n1\n2\n3\n4\n5\n6\n7\ncandor: 3 lines of"), "{taken}");
    }

    #[test]
    fn the_end_waits_for_a_moment_and_no_longer() {
        let (writer, give, taken) = slow(8);
        writer.lines().put(b"never\n");
        let mut clock = crate::clock::Clock::new();
        let before = clock.now();
        writer.finish();
        let took = clock.now().since(before);
        assert!(took.0 >= 400_000_000 && took.0 < 10_000_000_000, "{took}");
        assert_eq!(*taken.lock().unwrap(), "");
        drop(give);
    }
}
