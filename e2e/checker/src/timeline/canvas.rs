//! A picture in memory: lines, small text, PNG. The font is in the crate, so that none has to be installed.

use std::{convert::Infallible, io};

use embedded_graphics::{
    Drawable as _, Pixel,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoTextStyle, ascii::FONT_6X10},
    pixelcolor::{Rgb888, RgbColor as _},
    prelude::DrawTarget,
    primitives::{Line, Primitive as _, PrimitiveStyle},
    text::{Baseline, Text},
};

/// A white sheet.
#[derive(Debug)]
pub(super) struct Canvas {
    width: u32,
    height: u32,
    /// Three bytes a pixel.
    bytes: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: i32, height: i32) -> Self {
        let (width, height) = (width.unsigned_abs(), height.unsigned_abs());
        let count = usize::try_from(u64::from(width) * u64::from(height) * 3).unwrap_or_default();
        Self { width, height, bytes: vec![0xff; count] }
    }

    pub(super) fn line(&mut self, from: (i32, i32), to: (i32, i32), colour: Rgb888) {
        let line = Line::new(Point::new(from.0, from.1), Point::new(to.0, to.1));
        let Ok(()) = line.into_styled(PrimitiveStyle::with_stroke(colour, 1)).draw(self);
    }

    /// From its top left corner.
    pub(super) fn text(&mut self, x: i32, y: i32, colour: Rgb888, text: &str) {
        let style = MonoTextStyle::new(&FONT_6X10, colour);
        let Ok(_) = Text::with_baseline(text, Point::new(x, y), style, Baseline::Top).draw(self);
    }

    pub(super) fn png(&self, out: impl io::Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(out, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.bytes)?;
        Ok(writer.finish()?)
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            // What is outside is not drawn.
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { continue };
            if self.width <= x || self.height <= y {
                continue;
            }
            let at = usize::try_from((u64::from(y) * u64::from(self.width) + u64::from(x)) * 3);
            if let Some([r, g, b]) = at.ok().and_then(|it| self.bytes.get_mut(it..it + 3)) {
                (*r, *g, *b) = (colour.r(), colour.g(), colour.b());
            }
        }
        Ok(())
    }
}
