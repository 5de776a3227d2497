//! OpenPGP secret keys (RFC 9580, 5.5.3): told by the packet that they begin with.

/// Whether a passphrase protects the key that these bytes begin with; nothing if they begin with none.
pub(super) fn protection(bytes: &[u8]) -> Option<bool> {
    let mut packet = Packet(bytes);
    packet.header()?;
    let version = packet.byte()?;
    packet.skip(4)?;
    if version == 3 {
        // Days of validity.
        packet.skip(2)?;
    }
    let algorithm = packet.byte()?;
    if !(3..=6).contains(&version) {
        return None;
    }
    if version == 6 {
        packet.skip(4)?;
    }
    packet.public_key(algorithm)?;
    // How the secret part is protected, 0 for not at all.
    Some(packet.byte()? != 0)
}

struct Packet<'a>(&'a [u8]);

impl Packet<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.0 = self.0.get(len..)?;
        Some(())
    }

    /// Tag and length of a secret key's packet, in the old form or the new one.
    fn header(&mut self) -> Option<()> {
        match self.byte()? {
            0x94 => self.skip(1),
            0x95 => self.skip(2),
            0x96 => self.skip(4),
            0xc5 => match self.byte()? {
                0..=191 => Some(()),
                192..=223 => self.skip(1),
                255 => self.skip(4),
                _ => None,
            },
            _ => None,
        }
    }

    /// The public part, by the algorithm's number.
    fn public_key(&mut self, algorithm: u8) -> Option<()> {
        match algorithm {
            1..=3 => self.numbers(2),
            16 => self.numbers(3),
            17 => self.numbers(4),
            18 => {
                self.short()?;
                self.numbers(1)?;
                self.short()
            }
            19 | 22 => {
                self.short()?;
                self.numbers(1)
            }
            25 | 27 => self.skip(32),
            26 => self.skip(56),
            28 => self.skip(57),
            _ => None,
        }
    }

    /// Integers, each after its length in bits.
    fn numbers(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            let bits = u16::from_be_bytes([self.byte()?, self.byte()?]);
            self.skip(usize::from(bits).div_ceil(8))?;
        }
        Some(())
    }

    /// Bytes after their number.
    fn short(&mut self) -> Option<()> {
        let len = self.byte()?;
        self.skip(usize::from(len))
    }
}
