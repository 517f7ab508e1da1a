//! The committed BPF object, embedded.

/// Aligned as the ELF header is read: `include_bytes!` alone promises one byte.
#[repr(C, align(8))]
struct Aligned<Bytes: ?Sized>(Bytes);

static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../program.bpf.o"));

/// The compiled program (`program.bpf.o`, built by `build-object`), aligned to 8 bytes.
pub static OBJECT: &[u8] = &ALIGNED.0;
