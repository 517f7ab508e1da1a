//! A capture file's bytes, decompressed on the way: plain, gzip or zstd, told by their first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const BUFFER: usize = 256 << 10;

/// Opens a file for reading its decompressed bytes in order.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
    let head = file.fill_buf()?;
    Ok(match *head {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        // A frame, or one of the frames a reader skips.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(Zstd { source: file, decoder: FrameDecoder::new(), open: false })
        }
        _ => Box::new(file),
    })
}

/// All frames of a zstd file one after another, each checked against its checksum.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    /// Within a frame.
    open: bool,
}

impl<R: BufRead> Zstd<R> {
    /// Begins the next frame. `false` at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        // BOUND: every turn takes a skippable frame's header off the file.
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(explain(error)),
            }
        }
        Ok(false)
    }

    /// Compares what was decoded with what the frame says was encoded.
    fn end(&mut self) -> io::Result<()> {
        self.open = false;
        let said = self.decoder.get_checksum_from_data();
        if said.is_some() && said != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("zstd checksum differs"));
        }
        Ok(())
    }
}

fn explain(error: FrameDecoderError) -> io::Error {
    io::Error::other(format!("broken or cut off zstd: {error}"))
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // BOUND: every turn decodes a block, ends a frame or begins one.
        loop {
            if !self.open {
                if !self.begin()? {
                    return Ok(0);
                }
                self.open = true;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.decoder.is_finished() {
                self.end()?;
            } else {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(explain)?;
            }
        }
    }
}
