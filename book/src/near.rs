//! Asking for memory before it is needed: the one thing here that the language calls unsafe.
#![allow(unsafe_code, reason = "the intrinsic takes a pointer")]

/// Asks the processor to bring the cache line near in which a value begins. Where it has no such request this
/// does nothing.
#[inline(always)]
pub(crate) fn near<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing a program can see, whatever the address; this one is a
        // reference's besides, so that it is mapped and no walk for it is in vain.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
