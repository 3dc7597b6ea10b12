//! Where commands write: tables or JSON on standard output, remarks on standard error.

use std::io::Write;

use serde::Serialize;

use crate::{Failure, Result};

/// Standard output and standard error, and how to write there.
pub struct Output<'a> {
    out: Box<dyn Write + 'a>,
    err: Box<dyn Write + 'a>,
    /// One array or object instead of words and tables.
    pub json: bool,
    /// Whether a person reads standard output.
    pub out_is_terminal: bool,
    /// Whether a person reads standard error.
    pub err_is_terminal: bool,
    colour: bool,
}

impl<'a> Output<'a> {
    /// Writes words without colours, as into files.
    pub fn new(out: Box<dyn Write + 'a>, err: Box<dyn Write + 'a>) -> Self {
        Self { out, err, json: false, out_is_terminal: false, err_is_terminal: false, colour: false }
    }

    /// Says which of the two a person reads.
    pub fn on_terminals(mut self, out: bool, err: bool) -> Self {
        (self.out_is_terminal, self.err_is_terminal) = (out, err);
        self
    }

    /// Allows colours, where a terminal shows them.
    pub fn in_colour(mut self, allowed: bool) -> Self {
        self.colour = allowed;
        self
    }

    /// Whether a table on standard output is coloured.
    pub fn is_coloured(&self) -> bool {
        self.colour && self.out_is_terminal
    }

    /// Where raw text goes.
    pub fn writer(&mut self) -> &mut (dyn Write + 'a) {
        &mut *self.out
    }

    /// Writes text as it is.
    pub fn text(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes()).map_err(Failure::of_writing)
    }

    /// Answers a command that has changed something: a sentence, or the record as it is now.
    pub fn answer(&mut self, sentence: &str, record: &impl Serialize) -> Result<()> {
        if self.json { self.object(record) } else { self.text(&format!("{}\n", plain(sentence))) }
    }

    /// Writes one JSON object.
    pub fn object(&mut self, record: &impl Serialize) -> Result<()> {
        serde_json::to_writer_pretty(&mut self.out, record)
            .map_err(|error| Failure::of_writing(error.into()))?;
        self.text("\n")
    }

    /// Begins a JSON array that is written as its elements come.
    pub fn array(&mut self) -> Array<'_, 'a> {
        Array { output: self, next: "[\n" }
    }

    /// A remark beside the answer. It is not what the command is for: losing it is no failure.
    pub fn remark(&mut self, sentence: &str) {
        let _ = writeln!(self.err, "{}", plain(sentence));
    }

    /// Says why the command failed.
    pub fn complain(&mut self, failure: &Failure) {
        let message = failure.message.trim_end();
        // clap begins its own messages like this.
        let prefix = if message.starts_with("error:") { "" } else { "podyctl: " };
        if !message.is_empty() {
            let _ = writeln!(self.err, "{prefix}{}", plain(message));
        }
    }

    /// Everything is out, or the failure says why not.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(Failure::of_writing)
    }
}

/// A JSON array, one element a line.
pub struct Array<'o, 'a> {
    output: &'o mut Output<'a>,
    next: &'static str,
}

impl Array<'_, '_> {
    /// Adds an element.
    pub fn push(&mut self, record: &impl Serialize) -> Result<()> {
        self.output.text(self.next)?;
        self.next = ",\n";
        serde_json::to_writer(&mut self.output.out, record).map_err(|error| Failure::of_writing(error.into()))
    }

    /// Ends the array. One that is not ended is not valid JSON, and so shows that the list was cut short.
    pub fn end(self) -> Result<()> {
        self.output.text(if self.next == "[\n" { "[]\n" } else { "\n]\n" })
    }
}

/// Text that cannot steer a terminal: imported lines and replies are not ours.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(elements: &[u32]) -> String {
        let mut text = Vec::new();
        let mut output = Output::new(Box::new(&mut text), Box::new(std::io::sink()));
        let mut array = output.array();
        elements.iter().for_each(|element| array.push(element).unwrap());
        array.end().unwrap();
        drop(output);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_streamed_array_is_valid_json() {
        for elements in [&[][..], &[1], &[1, 2, 3]] {
            assert_eq!(serde_json::from_str::<Vec<u32>>(&array(elements)).unwrap(), elements);
        }
    }

    #[test]
    fn no_text_of_others_steers_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\u{9b}c\rd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }
}
