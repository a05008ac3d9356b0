//! The way from here to there, around walls.

use std::collections::VecDeque;

use crate::{
    input::Buttons,
    map::{HEIGHT, Map, Spot, WIDTH},
};

/// A tile of a map.
type Tile = (u16, u16);

/// Nearer than this to the middle of a tile, in units, one is there: a step is no longer.
const NEAR: i32 = 2;

/// The tiles that are still to be walked, and the memory to find them.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    /// The next one is the last.
    ahead: Vec<Tile>,
    /// From where each tile was reached; `None`: it was not.
    from: Vec<Option<Tile>>,
    queue: VecDeque<Tile>,
}

impl Route {
    /// Nothing is left to be walked.
    pub(super) fn is_done(&mut self, at: Spot) -> bool {
        while self.ahead.last().is_some_and(|it| is_at(at, *it)) {
            self.ahead.pop();
        }
        self.ahead.is_empty()
    }

    /// Finds the shortest way. It is searched from the goal, so that its tiles come in the order of the walk.
    pub(super) fn lead(&mut self, map: Map, start: Tile, goal: Tile) {
        self.from.clear();
        self.from.resize(usize::from(WIDTH) * usize::from(HEIGHT), None);
        self.queue.clear();
        self.ahead.clear();
        self.visit(goal, goal);
        while let Some((x, y)) = self.queue.pop_front() {
            if (x, y) == start {
                break;
            }
            // No open tile is at the rim of the map, so none of these is outside.
            for next in [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)] {
                if map.is_open(next.0, next.1) {
                    self.visit(next, (x, y));
                }
            }
        }
        let mut tile = start;
        while let Some(next) = self.place(tile).copied().flatten().filter(|it| *it != tile) {
            self.ahead.push(next);
            tile = next;
        }
        self.ahead.reverse();
    }

    /// What to press to follow it.
    pub(super) fn buttons(&mut self, at: Spot) -> Buttons {
        if self.is_done(at) {
            return Buttons::NONE;
        }
        let Some((x, y)) = self.ahead.last() else { return Buttons::NONE };
        let (right, down) = at.way_to(Spot::middle_of(*x, *y));
        let along = |way: i32, plus, minus| match way {
            it if it.abs() < NEAR => Buttons::NONE,
            it if 0 < it => plus,
            _ => minus,
        };
        along(right, Buttons::RIGHT, Buttons::LEFT) | along(down, Buttons::DOWN, Buttons::UP)
    }

    fn visit(&mut self, tile: Tile, from: Tile) {
        if let Some(place) = self.place(tile).filter(|it| it.is_none()) {
            *place = Some(from);
            self.queue.push_back(tile);
        }
    }

    fn place(&mut self, (x, y): Tile) -> Option<&mut Option<Tile>> {
        self.from.get_mut(usize::from(y) * usize::from(WIDTH) + usize::from(x))
    }
}

fn is_at(at: Spot, (x, y): Tile) -> bool {
    let (right, down) = at.way_to(Spot::middle_of(x, y));
    right.abs() <= NEAR && down.abs() <= NEAR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_leads_over_open_tiles_to_its_goal() {
        let mut route = Route::default();
        for number in 0..200 {
            let (start, goal) = (Map::Harbour.tile(number * 37), Map::Harbour.tile(number * 101));
            route.lead(Map::Harbour, start, goal);
            let mut at = start;
            while let Some(next) = route.ahead.pop() {
                assert_eq!(at.0.abs_diff(next.0) + at.1.abs_diff(next.1), 1);
                assert!(Map::Harbour.is_open(next.0, next.1));
                at = next;
            }
            assert_eq!(at, goal);
        }
    }
}
