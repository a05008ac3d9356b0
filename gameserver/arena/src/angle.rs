//! Directions as whole numbers: a turn has 256 parts, and sines come from a table, so that every build and
//! every processor goes the same way.

/// What one is, among sines.
pub(crate) const ONE: i32 = 1 << ONE_BITS;

/// By how much a product with a sine is shifted.
pub(crate) const ONE_BITS: u32 = 10;

/// Of a quarter turn, both ends included: the sines, times [`ONE`].
const SINES: [i16; 65] = [
    0, 25, 50, 75, 100, 125, 150, 175, 200, 224, 249, 273, 297, 321, 345, 369, 392, 415, 438, 460, 483, 505,
    526, 548, 569, 590, 610, 630, 650, 669, 688, 706, 724, 742, 759, 775, 792, 807, 822, 837, 851, 865, 878,
    891, 903, 915, 926, 936, 946, 955, 964, 972, 980, 987, 993, 999, 1004, 1009, 1013, 1016, 1019, 1021,
    1023, 1024, 1024,
];

/// A direction: 0 is to the right, 64 is down, 128 to the left, 192 up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Aim(pub u8);

impl Aim {
    /// Towards something that is so far to the right and so far down. To the right, if it is here.
    pub fn towards(right: i32, down: i32) -> Self {
        let (wide, high) = (i64::from(right).abs(), i64::from(down).abs());
        // The first direction in the quarter that is not too flat.
        let is_flat = |it: u8| sine(64 - it) * high > sine(it) * wide;
        let (mut low, mut top) = (0, 64);
        while low < top {
            let middle = low + (top - low) / 2;
            match is_flat(middle) {
                true => low = middle + 1,
                false => top = middle,
            }
        }
        Self(match (right < 0, down < 0) {
            (false, false) => low,
            (true, false) => 128 - low,
            (true, true) => 128 + low,
            (false, true) => 0_u8.wrapping_sub(low),
        })
    }

    /// A vector of the length [`ONE`]: to the right, and down.
    pub(crate) fn vector(self) -> (i32, i32) {
        let of = |it: u8| {
            let part = it & 63;
            let sine = match it & 64 {
                0 => sine(part),
                _ => sine(64 - part),
            };
            // It is at most ONE.
            let sine = i32::try_from(sine).unwrap_or(ONE);
            if it < 128 { sine } else { -sine }
        };
        (of(self.0.wrapping_add(64)), of(self.0))
    }

    /// By how much to turn, the short way, to look there.
    pub fn turn_to(self, other: Self) -> i8 {
        other.0.wrapping_sub(self.0).cast_signed()
    }

    /// Turned by so much.
    #[must_use]
    pub fn turned(self, by: i8) -> Self {
        Self(self.0.wrapping_add_signed(by))
    }
}

/// Of so many parts of a quarter turn, 0 to 64.
fn sine(parts: u8) -> i64 {
    SINES.get(usize::from(parts)).copied().map_or(0, i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_sines() {
        for aim in 0..=255_u8 {
            let angle = f64::from(aim) * std::f64::consts::TAU / 256.0;
            let (right, down) = Aim(aim).vector();
            assert!((f64::from(right) - angle.cos() * 1024.0).abs() <= 0.51, "{aim}");
            assert!((f64::from(down) - angle.sin() * 1024.0).abs() <= 0.51, "{aim}");
        }
    }

    #[test]
    fn who_aims_at_something_looks_there() {
        for aim in 0..=255_u8 {
            let (right, down) = Aim(aim).vector();
            assert!(Aim(aim).turn_to(Aim::towards(right, down)).abs() <= 1, "{aim}");
        }
        assert_eq!(Aim::towards(0, 0), Aim(0));
        assert_eq!(Aim::towards(i32::MIN, i32::MAX), Aim(96));
    }

    #[test]
    fn one_turns_the_short_way() {
        assert_eq!(Aim(250).turn_to(Aim(4)), 10);
        assert_eq!(Aim(4).turned(-10), Aim(250));
    }
}
