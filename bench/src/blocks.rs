//! Many byte strings one behind the other, as a capture or a receive ring has them: walking them
//! walks memory in order.

/// Byte strings in one piece of memory.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Blocks {
    /// Appends one.
    pub fn push(&mut self, block: &[u8]) {
        self.bytes.extend_from_slice(block);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all of them together.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let block = &self.bytes[from..*end];
            from = *end;
            block
        })
    }

    /// Changes each in place; none changes its length.
    pub fn edit(&mut self, mut each: impl FnMut(&mut [u8])) {
        let mut from = 0;
        for end in &self.ends {
            each(&mut self.bytes[from..*end]);
            from = *end;
        }
    }
}

impl<'a> FromIterator<&'a [u8]> for Blocks {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(blocks: I) -> Blocks {
        let mut all = Blocks::default();
        blocks.into_iter().for_each(|block| all.push(block));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let mut blocks: Blocks = [&b"ab"[..], b"", b"c"].into_iter().collect();
        assert_eq!(blocks.iter().collect::<Vec<_>>(), [&b"ab"[..], b"", b"c"]);
        blocks.edit(|block| block.reverse());
        assert_eq!(blocks.iter().collect::<Vec<_>>(), [&b"ba"[..], b"", b"c"]);
        assert_eq!((blocks.len(), blocks.byte_len()), (3, 3));
    }
}
