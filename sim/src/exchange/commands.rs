//! What the commands do.

use candor_core::{Line, Mono, SeqNo};

use super::services::view;
use super::{Exchange, ExchangeError, Source, Speed, session_id};
use crate::control::{BadCommand, Command, Fault};
use crate::publisher::{Framing, PublishError};
use crate::services::{ServiceFault, ServiceKind};

impl From<PublishError> for BadCommand {
    fn from(error: PublishError) -> BadCommand {
        BadCommand(error.to_string())
    }
}

impl From<ExchangeError> for BadCommand {
    fn from(error: ExchangeError) -> BadCommand {
        BadCommand(error.to_string())
    }
}

impl Exchange {
    /// Does as commanded and says what was done, in one line.
    ///
    /// # Errors
    /// Why not, in words; then nothing was done.
    pub fn apply(&mut self, now: Mono, command: &Command) -> Result<String, BadCommand> {
        let done = match command {
            Command::Partition { partition, alive } => {
                self.set_alive(now, self.known(*partition)?, *alive)
            }
            Command::Cut { partition, cut } => {
                let partition = self.known(*partition)?;
                let lines: Vec<Line> = self.publishers[partition].lines().collect();
                for line in lines {
                    self.publishers[partition].set_dead(now, line, *cut)?;
                }
                let fate = if *cut { "loses everything on all lines" } else { "is whole again" };
                format!("partition {} {fate}", partition + 1)
            }
            Command::Line { partition, line, alive } => {
                let chosen = self.chosen(*partition)?;
                for index in chosen.clone() {
                    self.publishers[index].set_dead(now, *line, !alive)?;
                }
                let state = if *alive { "alive" } else { "dead" };
                format!("line {line} is {state} on {}", amount(chosen.len()))
            }
            Command::Fault { partition, line, fault } => {
                self.set_fault(*partition, *line, *fault)?
            }
            Command::Skip { partition, count } => {
                let partition = self.known(*partition)?;
                self.publishers[partition].skip(*count);
                format!("partition {} loses its next {count} messages", partition + 1)
            }
            Command::Lose { partition, count } => {
                let partition = self.known(*partition)?;
                self.publishers[partition].lose(*count);
                format!("nobody gets partition {}'s next {count} messages", partition + 1)
            }
            Command::Service { partition, service, fault } => {
                self.set_service(*partition, *service, *fault)?
            }
            Command::Differ { partition } => {
                let partition = self.known(*partition)?;
                self.publishers[partition].differ();
                format!("partition {}'s next message differs on line B", partition + 1)
            }
            Command::Pause => {
                self.paused = true;
                "paused; heartbeats go on".to_owned()
            }
            Command::Resume => self.resume(now),
            Command::Rate(rate) => self.set_rate(now, *rate),
            Command::Session { name, partition } => self.session(now, name, *partition)?,
            Command::Restart { partition } => {
                let chosen = self.chosen(*partition)?;
                for index in chosen.clone() {
                    self.begin(now, index, self.publishers[index].framing())?;
                }
                format!("numbers begin again at 1 on {}", amount(chosen.len()))
            }
            Command::End { partition } => self.end(now, *partition, true)?,
            Command::Cease { partition } => self.end(now, *partition, false)?,
            Command::Status => self.status().to_string(),
            Command::Quit => {
                self.quit = true;
                "quitting".to_owned()
            }
        };
        Ok(done)
    }

    fn set_fault(
        &mut self,
        partition: Option<usize>,
        line: Option<Line>,
        fault: Fault,
    ) -> Result<String, BadCommand> {
        let chosen = self.chosen(partition)?;
        for index in chosen.clone() {
            let lines: Vec<Line> = match line {
                Some(line) => vec![line],
                None => self.publishers[index].lines().collect(),
            };
            for line in lines {
                fault.apply(self.publishers[index].faults_mut(line)?);
            }
        }
        Ok(format!("set on {}", amount(chosen.len())))
    }

    fn set_service(
        &mut self,
        partition: Option<usize>,
        service: Option<ServiceKind>,
        fault: ServiceFault,
    ) -> Result<String, BadCommand> {
        let chosen = self.chosen(partition)?;
        for services in &mut self.services[chosen.clone()] {
            for kind in ServiceKind::ALL {
                if service.is_none_or(|only| only == kind) {
                    fault.apply(services.faults_mut(kind));
                }
            }
        }
        Ok(format!("set on {}", amount(chosen.len())))
    }

    fn known(&self, partition: usize) -> Result<usize, BadCommand> {
        let count = self.publishers.len();
        if partition < count {
            return Ok(partition);
        }
        Err(BadCommand(format!("there is no partition {}; there are {count}", partition + 1)))
    }

    fn chosen(&self, partition: Option<usize>) -> Result<core::ops::Range<usize>, BadCommand> {
        match partition {
            None => Ok(0..self.publishers.len()),
            Some(partition) => self.known(partition).map(|index| index..index + 1),
        }
    }

    fn set_alive(&mut self, now: Mono, partition: usize, alive: bool) -> String {
        let publisher = &mut self.publishers[partition];
        if alive {
            publisher.revive(now);
            if let (Source::Replay(replay), false) = (&mut self.source, self.paused) {
                replay.resume(now, replay.speed());
            }
        } else {
            publisher.kill(now);
        }
        let next = publisher.next_seq();
        let state = if alive { "speaks again" } else { "is silent" };
        format!("partition {} {state}; its next number is {next}", partition + 1)
    }

    fn resume(&mut self, now: Mono) -> String {
        if self.paused {
            self.paused = false;
            match &mut self.source {
                Source::Market { flow, opening, .. } => {
                    flow.restart(flow.rate(), now);
                    opening.restart(opening.rate(), now);
                }
                Source::Replay(replay) => replay.resume(now, replay.speed()),
            }
        }
        "the flow goes on".to_owned()
    }

    fn set_rate(&mut self, now: Mono, rate: u64) -> String {
        match &mut self.source {
            Source::Market { flow, .. } => flow.restart(rate, now),
            Source::Replay(replay) => replay.resume(now, Speed::Rate(rate)),
        }
        format!("{rate} messages a second")
    }

    fn session(
        &mut self,
        now: Mono,
        name: &str,
        partition: Option<usize>,
    ) -> Result<String, BadCommand> {
        let chosen = self.chosen(partition)?;
        for index in chosen.clone() {
            let framing = renamed(self.publishers[index].framing(), name)?;
            self.begin(now, index, framing)?;
        }
        Ok(format!("session {name} on {}", amount(chosen.len())))
    }

    /// Another run of numbers from 1, with empty books and an opening sequence of its own.
    fn begin(
        &mut self,
        now: Mono,
        partition: usize,
        framing: Framing,
    ) -> Result<(), ExchangeError> {
        if session_id(&self.publishers[partition].framing()) != session_id(&framing) {
            let view = view(&self.source, &self.publishers, partition);
            self.services[partition].leave_session(now, &view);
        }
        let publisher = &mut self.publishers[partition];
        publisher.new_session(now, framing);
        self.note_withheld(partition, now)?;
        match &mut self.source {
            Source::Market { market, .. } => market.partitions[partition].restart(),
            // A capture's own numbers go on: they are data of another session now.
            Source::Replay(_) => {}
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.begin(partition, now, session_id(&framing), SeqNo::FIRST, true)?;
        }
        Ok(())
    }

    fn end(
        &mut self,
        now: Mono,
        partition: Option<usize>,
        said: bool,
    ) -> Result<String, BadCommand> {
        let chosen = self.chosen(partition)?;
        for index in chosen.clone() {
            if !self.publishers[index].is_alive() || self.publishers[index].is_ended() {
                continue;
            }
            if let (Source::Market { market, .. }, true) = (&mut self.source, said) {
                market.partitions[index].close();
                while market_is_closing(&self.source, index) {
                    self.publish_next(index, now)?;
                }
            }
            self.publishers[index].end(now);
        }
        Ok(format!("ended on {}", amount(chosen.len())))
    }
}

fn market_is_closing(source: &Source, partition: usize) -> bool {
    matches!(source, Source::Market { market, .. } if !market.partitions[partition].is_closed())
}

fn amount(partitions: usize) -> String {
    format!("{partitions} partition{}", if partitions == 1 { "" } else { "s" })
}

/// The framing with another session.
fn renamed(framing: Framing, name: &str) -> Result<Framing, BadCommand> {
    match framing {
        Framing::MoldUdp64(_) => session_name(name).map(Framing::MoldUdp64),
        Framing::IexTp(stream) => match name.parse() {
            Ok(session) if session != 0 => {
                Ok(Framing::IexTp(candor_decoders::iex::tp::Stream { session, ..stream }))
            }
            _ => Err(BadCommand(format!("an IEX session is a number above 0, not \"{name}\""))),
        },
    }
}

/// A MoldUDP64 session name from text.
///
/// # Errors
/// [`BadCommand`] where it is empty, longer than ten bytes or not printable ASCII.
pub fn session_name(name: &str) -> Result<[u8; 10], BadCommand> {
    let printable = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    let padded = candor_decoders::alpha(name).filter(|_| printable);
    padded.ok_or_else(|| {
        BadCommand(format!("\"{name}\" is no session name: 1 to 10 printable letters"))
    })
}
