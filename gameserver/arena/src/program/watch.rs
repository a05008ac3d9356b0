//! `arena watch`.

use std::{io::IsTerminal as _, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use arena::{view, world::World};
use gamekeeper_client::{Credentials, Event, Player, Stay, endpoint};
use ratatui::{
    DefaultTerminal,
    buffer::Buffer,
    crossterm::event::{self, KeyCode, KeyEventKind, KeyModifiers},
    layout::Rect,
};
use tokio::time::{Instant, interval, timeout};

use super::{plan::Where, print};

/// Pictures a second at most: a terminal is not faster, and ssh gets no more than it can take.
const PICTURES: Duration = Duration::from_millis(66);

/// Somebody who presses q waits no longer.
const KEYS: Duration = Duration::from_millis(50);

/// What a terminal has that says nothing else.
const SCREEN: Rect = Rect { x: 0, y: 0, width: 80, height: 24 };

/// How long the first picture may take to come.
const FIRST: Duration = Duration::from_secs(30);

/// Watch a room in the terminal; q ends it. Without a terminal, one picture is printed
#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    place: Where,
    /// The name to come by [default: another one each time]
    #[arg(long)]
    name: Option<String>,
    /// Print one picture as text after so many seconds, and go
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1")]
    once: Option<f64>,
}

impl Watch {
    pub(crate) fn run(self) -> Result<ExitCode> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.watch())
    }

    async fn watch(self) -> Result<ExitCode> {
        let Self { place, name, once } = self;
        let Some(room) = place.room() else {
            bail!("which room? --room with --connect and --certificate: its status has them")
        };
        let name = name.unwrap_or_else(|| format!("spectator-{:08x}", rand::random::<u32>()));
        let stay = Stay::new(&room.room, Credentials::Open(name)).as_spectator();
        let player = Player::join(endpoint()?, stay, room.place()?);
        let mut show = Show { room: room.room, player, world: None, last: None, is_let_in: true };
        let is_terminal = std::io::stdout().is_terminal();
        match once.or_else(|| (!is_terminal).then_some(1.0)) {
            Some(after) => show.once(Duration::try_from_secs_f64(after)?).await?,
            None => {
                let terminal = ratatui::try_init()?;
                let shown = show.until_quit(terminal).await;
                ratatui::try_restore()?;
                shown?;
            }
        }
        if let Some(last) = show.last {
            print(&last)?;
        }
        Ok(if show.is_let_in { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What is watched.
struct Show {
    room: String,
    player: Player,
    world: Option<World>,
    /// Why there is nothing more to see.
    last: Option<String>,
    is_let_in: bool,
}

impl Show {
    /// Takes in what happens next. `false`: nothing more does.
    fn on(&mut self, event: Event) -> bool {
        match event {
            // What cannot be read is not drawn.
            Event::Shown { .. } => {
                let world = World::of_shown(self.player.shown()).ok();
                self.world = world.or_else(|| self.world.take());
            }
            Event::Refused(refused) => {
                self.last = Some(format!("not let in: {}", refused.message));
                self.is_let_in = false;
            }
            Event::Ended(result) => {
                let winner = result.get("winner").map_or("nobody", String::as_str);
                self.last = Some(format!("{} is over: {winner} has won", self.room));
            }
            Event::Replaced => {
                self.last = Some(format!("{} is watched by another program with the same secret", self.room));
            }
            Event::GaveUp | Event::Left => self.last = Some(format!("{} is not to be found", self.room)),
            Event::Joined(_) | Event::Message(_) | Event::Redirected(_) | Event::Lost => (),
        }
        self.last.is_none()
    }

    fn info(&self) -> String {
        let path = self.player.statistics();
        format!("{}  {:.1} ms  {} gaps", self.room, path.round_trip.as_secs_f64() * 1000.0, path.gap_ticks)
    }

    /// One picture as text.
    async fn once(&mut self, after: Duration) -> Result<()> {
        let started = Instant::now();
        let watched = timeout(FIRST + after, async {
            loop {
                let event = self.player.next().await;
                if !self.on(event) || (self.world.is_some() && after <= started.elapsed()) {
                    return;
                }
            }
        });
        if watched.await.is_err() {
            bail!("nothing was shown of {}", self.room);
        }
        let Some(world) = &self.world else { return Ok(()) };
        let mut picture = Buffer::empty(SCREEN);
        view::draw(world, &[], &self.info(), SCREEN, &mut picture);
        let rows = picture.content().chunks(usize::from(SCREEN.width));
        for row in rows {
            let text: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            print(text.trim_end())?;
        }
        Ok(())
    }

    async fn until_quit(&mut self, mut terminal: DefaultTerminal) -> Result<()> {
        let (mut pictures, mut keys) = (interval(PICTURES), interval(KEYS));
        loop {
            tokio::select! {
                event = self.player.next() => if !self.on(event) { return Ok(()) },
                _ = pictures.tick() => self.draw(&mut terminal)?,
                _ = keys.tick() => if is_quit()? { return Ok(()) },
            }
        }
    }

    fn draw(&self, terminal: &mut DefaultTerminal) -> Result<()> {
        let info = self.info();
        terminal.draw(|frame| {
            let area = frame.area();
            match &self.world {
                Some(world) => view::draw(world, &[], &info, area, frame.buffer_mut()),
                None => frame.render_widget(format!("{info}: waiting …"), area),
            }
        })?;
        Ok(())
    }
}

/// Whether somebody wants to go.
fn is_quit() -> Result<bool> {
    while event::poll(Duration::ZERO)? {
        let event::Event::Key(key) = event::read()? else { continue };
        let is_break = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if key.kind == KeyEventKind::Press
            && (is_break || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
        {
            return Ok(true);
        }
    }
    Ok(false)
}
