//! How a message layout is written down: once, with the specification's own offsets beside each
//! field, checked when the crate is compiled.

use candor_core::Reject;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A message layout: plain bytes of alignment 1, every bit pattern valid, so that looking at a
/// message is one length check and reading a field after it can't fail.
pub trait View:
    FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned + Sized + 'static
{
    /// The type bytes that have this layout.
    const KINDS: &'static [u8];

    /// The type byte of a layout that has only one (of several: the first).
    const KIND: u8 = Self::KINDS[0];

    /// The layout's length in bytes.
    const LEN: usize = size_of::<Self>();

    /// The front of `message` as this layout. The type byte is the caller's to have looked at;
    /// bytes behind the layout are a newer revision's and left alone.
    ///
    /// # Errors
    /// [`Reject::ShortMessage`] where the message is shorter than the layout.
    #[inline]
    fn view(message: &[u8]) -> Result<&Self, Reject> {
        match Self::ref_from_prefix(message) {
            Ok((view, _)) => Ok(view),
            Err(_) => Err(Reject::ShortMessage),
        }
    }
}

/// Declares layouts: `Name: type bytes, length { field: type = offset, .. }`, and the function
/// `layout_len` over all of them. Size, alignment and every offset are asserted at compile time.
macro_rules! views {
    ($(
        $(#[$about:meta])*
        $name:ident: $($kind:literal)|+, $len:literal {
            $($(#[$field_about:meta])* $field:ident: $ty:ty = $offset:literal,)+
        }
    )+) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout)]
            #[derive(zerocopy::Immutable, zerocopy::Unaligned)]
            #[repr(C)]
            pub struct $name {
                $($(#[$field_about])* pub $field: $ty,)+
            }

            const _: () = {
                assert!(size_of::<$name>() == $len);
                assert!(align_of::<$name>() == 1);
                $(assert!(core::mem::offset_of!($name, $field) == $offset);)+
            };

            impl $crate::view::View for $name {
                const KINDS: &'static [u8] = &[$($kind),+];
            }
        )+

        /// The length in bytes of the layout of this type; `None` for a type without one here.
        #[must_use]
        pub const fn layout_len(kind: u8) -> Option<usize> {
            match kind {
                $($($kind)|+ => Some($len),)+
                _ => None,
            }
        }
    };
}
pub(crate) use views;

/// Text as the wire pads it: left-aligned, spaces behind. `None` where it does not fit.
#[must_use]
pub const fn alpha<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() > N {
        return None;
    }
    let mut padded = [b' '; N];
    let mut at = 0;
    while at < text.len() {
        padded[at] = text[at];
        at += 1;
    }
    Some(padded)
}
