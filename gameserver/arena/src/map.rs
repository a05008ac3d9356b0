//! Where a match takes place: maps of square tiles, walls and floor, the same for every build.

use crate::angle::{Aim, ONE_BITS};

/// Tiles from left to right: beside the map, a terminal of 80 columns has room for the scores.
pub const WIDTH: u16 = 60;

/// Tiles from top to bottom.
pub const HEIGHT: u16 = 20;

/// The side of a tile in units. Positions are whole units: a player is drawn in tiles, so that more would
/// not be seen, and fewer bits of a position change from tick to tick.
pub const TILE: u16 = 16;

/// How far a shot goes at most, in units.
pub const REACH: i32 = 20 * TILE as i32;

/// The step in which walls are looked for, in units: the walls are at least four times as thick.
const STRIDE: u16 = 4;

/// A field with some cover.
const PLAIN: [&[u8; WIDTH as usize]; HEIGHT as usize] = [
    b"############################################################",
    b"#..........................................................#",
    b"#..........................................................#",
    b"#...........................####...........................#",
    b"#.........####................................####.........#",
    b"#.........####................................####.........#",
    b"#..........................................................#",
    b"#..........................................................#",
    b"#...........................####...........................#",
    b"#...................##......####......##...................#",
    b"#...................##......####......##...................#",
    b"#...........................####...........................#",
    b"#..........................................................#",
    b"#..........................................................#",
    b"#.........####................................####.........#",
    b"#.........####................................####.........#",
    b"#...........................####...........................#",
    b"#..........................................................#",
    b"#..........................................................#",
    b"############################################################",
];

/// Piers from the north, sheds in the south.
const HARBOUR: [&[u8; WIDTH as usize]; HEIGHT as usize] = [
    b"############################################################",
    b"#........###.........###.........###.........###...........#",
    b"#........###.........###.........###.........###...........#",
    b"#........###.........###.........###.........###...........#",
    b"#........###...##....###...##....###...##....###...##......#",
    b"#........###...##....###...##....###...##....###...##......#",
    b"#........###...##....###...##....###...##....###...##......#",
    b"#..............##..........##..........##..........##......#",
    b"#..............##..........##..........##..........##......#",
    b"#..............##..........##..........##..........##......#",
    b"#...######.................................................#",
    b"#.............#...............#............................#",
    b"#.............#...########....#................#...........#",
    b"#.............#...########....#...#########....#...#####...#",
    b"#...######....#...............#...#########....#...#####...#",
    b"#...######....................#................#...........#",
    b"#..............................................#...........#",
    b"#.................#######...........######.................#",
    b"#..........................................................#",
    b"############################################################",
];

/// One of the maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Map {
    /// A field with some cover.
    #[default]
    Plain,
    /// Narrow lanes between piers and sheds.
    Harbour,
}

/// A point, in units from the top left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spot {
    /// To the right.
    pub x: u16,
    /// Down.
    pub y: u16,
}

impl Map {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Harbour];

    /// What it is called in a room's parameters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Harbour => "harbour",
        }
    }

    /// One can be there. Outside there is nothing but wall.
    pub fn is_open(self, tile_x: u16, tile_y: u16) -> bool {
        let rows = match self {
            Self::Plain => &PLAIN,
            Self::Harbour => &HARBOUR,
        };
        let tile = rows.get(usize::from(tile_y)).and_then(|row| row.get(usize::from(tile_x)));
        tile == Some(&b'.')
    }

    /// One can stand there.
    pub fn has(self, spot: Spot) -> bool {
        let (x, y) = spot.tile();
        self.is_open(x, y)
    }

    /// An open tile for each number, all alike often.
    pub(crate) fn tile(self, number: u64) -> (u16, u16) {
        let all = || (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        let open = || all().filter(|(x, y)| self.is_open(*x, *y));
        let nth = number % u64::try_from(open().count().max(1)).unwrap_or(1);
        open().nth(usize::try_from(nth).unwrap_or_default()).unwrap_or_default()
    }

    /// How far a shot from there goes before it hits a wall.
    pub fn reach(self, from: Spot, aim: Aim) -> i32 {
        let (right, down) = aim.vector();
        let is_wall = |it: &i32| {
            let x = i32::from(from.x) + ((right * it) >> ONE_BITS);
            let y = i32::from(from.y) + ((down * it) >> ONE_BITS);
            !Spot::new(x, y).is_some_and(|it| self.has(it))
        };
        (0..REACH).step_by(STRIDE.into()).find(is_wall).unwrap_or(REACH)
    }

    /// There is no wall between the two.
    pub fn sees(self, from: Spot, to: Spot) -> bool {
        let (right, down) = from.way_to(to);
        let steps = right.abs().max(down.abs()) / i32::from(STRIDE) + 1;
        (0..=steps).all(|it| {
            let (x, y) = (i32::from(from.x) + right * it / steps, i32::from(from.y) + down * it / steps);
            Spot::new(x, y).is_some_and(|it| self.has(it))
        })
    }
}

impl Spot {
    /// The middle of a tile.
    pub fn middle_of(tile_x: u16, tile_y: u16) -> Self {
        let middle = |it: u16| it.saturating_mul(TILE).saturating_add(TILE / 2);
        Self { x: middle(tile_x), y: middle(tile_y) }
    }

    /// `None`: that is nowhere.
    pub fn new(x: i32, y: i32) -> Option<Self> {
        Some(Self { x: u16::try_from(x).ok()?, y: u16::try_from(y).ok()? })
    }

    /// The tile that it is in.
    pub fn tile(self) -> (u16, u16) {
        (self.x / TILE, self.y / TILE)
    }

    /// How far it is to there: to the right, and down.
    pub fn way_to(self, to: Self) -> (i32, i32) {
        (i32::from(to.x) - i32::from(self.x), i32::from(to.y) - i32::from(self.y))
    }

    /// The square of the distance.
    pub fn square_to(self, to: Self) -> i64 {
        let (right, down) = self.way_to(to);
        i64::from(right) * i64::from(right) + i64::from(down) * i64::from(down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_open_tile_of_a_map_can_be_walked_to_from_every_other() {
        for map in Map::ALL {
            let open: Vec<(u16, u16)> = (0..HEIGHT)
                .flat_map(|y| (0..WIDTH).map(move |x| (x, y)))
                .filter(|it| map.is_open(it.0, it.1))
                .collect();
            let mut reached = vec![open[0]];
            for next in 0.. {
                let Some(&(x, y)) = reached.get(next) else { break };
                for tile in [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)] {
                    if map.is_open(tile.0, tile.1) && !reached.contains(&tile) {
                        reached.push(tile);
                    }
                }
            }
            assert_eq!(reached.len(), open.len(), "{map:?}");
            assert!(700 < open.len());
        }
    }

    #[test]
    fn every_number_is_an_open_tile() {
        for map in Map::ALL {
            for number in (0..2000).chain([u64::MAX]) {
                let (x, y) = map.tile(number);
                assert!(map.is_open(x, y), "{number}");
            }
        }
    }

    #[test]
    fn a_wall_stops_shots_and_looks() {
        let (west, east) = (Spot::middle_of(24, 9), Spot::middle_of(35, 9));
        assert_eq!(Map::Plain.reach(west, Aim(0)), 56, "the block in the middle begins at tile 28");
        assert_eq!(Map::Plain.reach(west, Aim(64)), 152, "the wall in the south");
        assert!(!Map::Plain.sees(west, east));
        assert!(Map::Plain.sees(west, Spot::middle_of(27, 9)));
        assert!(Map::Plain.sees(Spot::middle_of(24, 6), Spot::middle_of(35, 6)));
    }
}
