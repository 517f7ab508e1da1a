//! Zstandard with more than one frame, as `cat a.zst b.zst` and parallel compressors make it, and
//! cut off in the middle, as a copy that was interrupted leaves it.

use std::io::{self, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The largest window accepted: what `zstd --long=27` needs. A frame that asks for more is refused
/// before anything is allocated.
const WINDOW_MAX: u64 = 1 << 27;

/// An empty last block, and a checksum nobody looks at: ends a frame whose own end is missing, so
/// that the decoder gives out what it holds back for later references.
const END: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Reads what a sequence of frames decompresses to.
pub(crate) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    within: bool,
    /// Set where the input broke off: given to the reader when everything before it is read.
    broken: Option<io::Error>,
}

impl<R: Read> Frames<R> {
    pub(crate) fn new(source: R) -> Frames<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_MAX);
        Frames { source, decoder, within: false, broken: None }
    }

    /// Starts the next frame; false at the end of the input.
    fn start(&mut self) -> io::Result<bool> {
        // BOUND: each turn takes a skippable frame from the input.
        loop {
            let mut magic = [0; 4];
            match read_some(&mut self.source, &mut magic)? {
                0 => return Ok(false),
                4 => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            let source = magic.as_slice().chain(&mut self.source);
            match self.decoder.reset(source) {
                Ok(()) => {
                    self.within = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = io::copy(&mut (&mut self.source).take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

/// Fills `buffer` as far as the input goes.
fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // BOUND: each turn takes a block or a frame from the input, or returns.
        loop {
            if self.within && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if let Some(error) = self.broken.take() {
                self.within = false;
                return Err(error);
            }
            if self.within && self.decoder.is_finished() {
                self.within = false;
                let said = self.decoder.get_checksum_from_data();
                if said.is_some() && said != self.decoder.get_calculated_checksum() {
                    return Err(io::Error::other("the checksum of a zstd frame differs"));
                }
            }
            if !self.within {
                if !self.start()? {
                    return Ok(0);
                }
                continue;
            }
            let block = || BlockDecodingStrategy::UptoBlocks(1);
            if let Err(error) = self.decoder.decode_blocks(&mut self.source, block()) {
                self.broken = Some(io::Error::other(error));
                if self.decoder.decode_blocks(END.as_slice(), block()).is_err() {
                    self.within = false;
                }
            }
        }
    }
}
