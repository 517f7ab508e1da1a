//! How a record of the region is declared: once, with its offsets written down, and from that one
//! declaration come the type, the proof of the offsets, the layout text and the table in
//! `docs/REGION.md`.

use crate::atomic::{AtomicU32, AtomicU64};

/// One field of a record, for the layout text and the document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) offset: usize,
    pub(crate) words: usize,
    pub(crate) name: &'static str,
    #[cfg_attr(not(test), allow(dead_code, reason = "the document is made by a test"))]
    pub(crate) about: &'static str,
}

/// One record type, for the layout text and the document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    #[cfg_attr(not(test), allow(dead_code, reason = "the document is made by a test"))]
    pub(crate) about: &'static str,
    pub(crate) size: usize,
    pub(crate) fields: &'static [Field],
}

/// What a field may be made of: 64-bit atomic words, arrays of them, and a word of two halves. Any bits are
/// valid, there is no padding, nothing is a pointer.
pub(crate) trait Words {
    const WORDS: usize;
}

impl Words for AtomicU64 {
    const WORDS: usize = 1;
}

impl<const N: usize> Words for [AtomicU64; N] {
    const WORDS: usize = N;
}

/// A word whose halves are written one without the other, the lower first.
impl Words for [AtomicU32; 2] {
    const WORDS: usize = 1;
}

/// A type that may be laid over any 8-byte-aligned memory of the region.
///
/// # Safety
/// `repr(C)`, made of atomic words of 64 or 32 bits alone, without padding.
pub(crate) unsafe trait Record {
    /// Size in bytes.
    const SIZE: usize;
}

// SAFETY: the word itself.
unsafe impl Record for AtomicU64 {
    const SIZE: usize = 8;
}

/// Declares a record: `offset name: type "what it is"`.
macro_rules! record {
    (
        $(#[doc = $doc:literal])+
        $name:ident = $size:literal {
            $($offset:literal $field:ident: $type:ty = $about:literal,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[repr(C)]
        pub(crate) struct $name { $(#[doc = $about] pub(crate) $field: $type,)+ }

        // SAFETY: repr(C); every field implements `Words`, whose implementors are atomic words and
        // arrays of them; the constant below proves that the sizes add up, so there is no padding.
        unsafe impl crate::layout::record::Record for $name {
            const SIZE: usize = $size;
        }

        impl $name {
            /// The record's declaration.
            pub(crate) const SHAPE: crate::layout::record::Shape = crate::layout::record::Shape {
                name: stringify!($name),
                about: concat!($($doc,)+),
                size: $size,
                fields: &[$(crate::layout::record::Field {
                    offset: $offset,
                    words: <$type as crate::layout::record::Words>::WORDS,
                    name: stringify!($field),
                    about: $about,
                },)+],
            };
        }

        // Loom's atomics have another size; the layout is proven by every other build.
        #[cfg(not(loom))]
        const _: () = {
            let words = 0 $(+ <$type as crate::layout::record::Words>::WORDS)+;
            assert!(words * 8 == $size);
            assert!(size_of::<$name>() == $size);
            assert!(align_of::<$name>() == 8);
            $(assert!(std::mem::offset_of!($name, $field) == $offset);)+
        };
    };
}
pub(crate) use record;
