//! Where messages go: to the journal, with their fields, when standard error is the journal; otherwise
//! to standard error, one plain line each. Spans are not shown: an event carries what it is about.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use nix::sys::stat::fstat;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use crate::config::{Environment, LogLevel};

/// The running log, whose level a reload may change.
#[derive(Clone)]
pub struct Log(reload::Handle<Targets, Registry>);

/// Sends every message of this process to the journal or to standard error from now on.
pub fn start(level: LogLevel, environment: &Environment) -> Log {
    let (filter, handle) = reload::Layer::new(shown(level));
    let sink = if stderr_is_the_journal(environment) { to_journal } else { to_stderr };
    // An error means that a log is running already: it goes on.
    let _ = tracing_subscriber::registry().with(filter).with(Events(sink)).try_init();
    Log(handle)
}

/// Makes a panic in any thread the end of podyd, said in the log: no half-dead task lives on.
pub fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let why = panic.payload_as_str().unwrap_or_default();
        tracing::error!(place, why, "podyd has met a bug of its own and stops; please report it");
        std::process::abort();
    }));
}

impl Log {
    /// Changes which messages are shown.
    pub fn set_level(&self, level: LogLevel) {
        // An error means that the log is gone, and with it whoever would have seen one.
        let _ = self.0.reload(shown(level));
    }
}

/// podyd's own messages from `level` on. Libraries are never shown below a warning: what they say there
/// is for their authors, and may hold statements and headers that nobody has looked at.
fn shown(level: LogLevel) -> Targets {
    let level = LevelFilter::from_level(level.0);
    Targets::new().with_target("daemon", level).with_default(level.min(LevelFilter::WARN))
}

/// Whether journald holds the other end of standard error (systemd.exec(5), `$JOURNAL_STREAM`).
fn stderr_is_the_journal(environment: &Environment) -> bool {
    let stream = environment.get("JOURNAL_STREAM").and_then(|stream| stream.to_str());
    let stat = fstat(io::stderr()).ok();
    stream.zip(stat).is_some_and(|(stream, stat)| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Gives each event to a sink.
struct Events(fn(&Message));

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut message = Message {
            level: *metadata.level(),
            text: String::new(),
            fields: Vec::new(),
            place: metadata.file().zip(metadata.line()),
        };
        event.record(&mut message);
        (self.0)(&message);
    }
}

struct Message {
    level: Level,
    text: String,
    fields: Vec<(&'static str, String)>,
    /// File and line of the source.
    place: Option<(&'static str, u32)>,
}

impl Message {
    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.text = value,
            name => self.fields.push((name, value)),
        }
    }

    /// The text, and the fields as `name=value`; always one line, whatever a peer has called itself.
    fn line(&self) -> String {
        let mut line: String = self.text.chars().flat_map(escaped).collect();
        for (name, value) in &self.fields {
            let is_plain = !value.is_empty()
                && !value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"');
            let _ =
                if is_plain { write!(line, " {name}={value}") } else { write!(line, " {name}={value:?}") };
        }
        line
    }

    /// The journal's own fields, and ours with a prefix that keeps them apart (systemd.journal-fields(7)).
    fn journal_fields(&self) -> Vec<String> {
        let mut fields = vec![
            format!("MESSAGE={}", self.line()),
            format!("PRIORITY={}", priority(self.level)),
            "SYSLOG_IDENTIFIER=podyd".into(),
        ];
        if let Some((file, line)) = self.place {
            fields.push(format!("CODE_FILE={file}"));
            fields.push(format!("CODE_LINE={line}"));
        }
        let own = |(name, value): &(&str, String)| {
            format!("PODY_{}={value}", name.replace('.', "_").to_uppercase())
        };
        fields.extend(self.fields.iter().map(own));
        fields
    }
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

fn escaped(character: char) -> impl Iterator<Item = char> {
    let (control, plain) =
        if character.is_control() { (Some(character), None) } else { (None, Some(character)) };
    control.into_iter().flat_map(char::escape_default).chain(plain)
}

/// As in syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

fn to_journal(message: &Message) {
    let fields = message.journal_fields();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    if systemd::journal::send(&fields).is_err() {
        to_stderr(message);
    }
}

/// One write for the whole line, so that lines of several threads do not mix. There is nobody left to
/// tell if it fails.
fn to_stderr(message: &Message) {
    let _ = io::stderr().write_all(format!("{}: {}\n", LogLevel(message.level), message.line()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static SEEN: RefCell<Vec<Vec<String>>> = const { RefCell::new(Vec::new()) };
    }

    /// What `say` logs at `level`, as the journal would be given it.
    fn logged(level: &str, say: impl FnOnce()) -> Vec<Vec<String>> {
        let sink = |message: &Message| SEEN.with_borrow_mut(|seen| seen.push(message.journal_fields()));
        let filter = shown(level.parse().unwrap());
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(filter).with(Events(sink)),
            say,
        );
        SEEN.take()
    }

    #[test]
    fn a_message_carries_its_fields_and_its_priority() {
        let user = "ada";
        let seen = logged("info", || {
            tracing::warn!(target: "daemon::x", %user, count = 3, source = "2001:db8::1", "login {}", "refused");
        });
        let fields = &seen[0];
        assert_eq!(fields[0], "MESSAGE=login refused user=ada count=3 source=2001:db8::1");
        assert_eq!(fields[1..3], ["PRIORITY=4", "SYSLOG_IDENTIFIER=podyd"]);
        assert!(fields[3].starts_with("CODE_FILE=") && fields[3].ends_with("log.rs"), "{fields:?}");
        assert_eq!(fields[5..], ["PODY_USER=ada", "PODY_COUNT=3", "PODY_SOURCE=2001:db8::1"]);
    }

    #[test]
    fn nobody_can_forge_a_line() {
        let name = "x\nerror: podyd is gone";
        let seen =
            logged("info", || tracing::info!(target: "daemon", name, empty = "", "hello {name}\u{1b}[2J"));
        let expected =
            r#"MESSAGE=hello x\nerror: podyd is gone\u{1b}[2J name="x\nerror: podyd is gone" empty="""#;
        assert_eq!(seen[0][0], expected);
    }

    #[test]
    fn libraries_are_quieter_than_podyd() {
        let say = || {
            tracing::debug!(target: "daemon::store", "ours");
            tracing::debug!(target: "sqlx::query", "SELECT secret");
            tracing::warn!(target: "sqlx::query", "slow");
        };
        let texts =
            |level| logged(level, say).into_iter().map(|fields| fields[0].clone()).collect::<Vec<_>>();
        assert_eq!(texts("trace"), ["MESSAGE=ours", "MESSAGE=slow"]);
        assert_eq!(texts("info"), ["MESSAGE=slow"]);
        assert!(texts("error").is_empty());
    }

    #[test]
    fn the_journal_is_used_only_if_standard_error_is_the_journal() {
        let stat = fstat(io::stderr()).unwrap();
        let stream = |stream: String| [("JOURNAL_STREAM", stream)].into_iter().collect();
        assert!(stderr_is_the_journal(&stream(format!("{}:{}", stat.st_dev, stat.st_ino))));
        for other in ["".into(), "1:1".into(), format!("{}:{}x", stat.st_dev, stat.st_ino)] {
            assert!(!stderr_is_the_journal(&stream(other)));
        }
        assert!(!stderr_is_the_journal(&Environment::default()));
    }
}
