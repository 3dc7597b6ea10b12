//! From the text of a configuration file and the environment to [`Settings`], collecting everything
//! that is wrong on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::draft::{Draft, RULES};
use super::environment::{Environment, NotText, key_of, variable_of};
use super::error::Place;
use super::interpolate::interpolate;
use super::settings::Settings;
use super::suggest::nearest;
use super::table::{OTHER_VARIABLES, SECTIONS, SETTINGS, Setting};
use super::value::Given;

/// A file with more errors than this is no configuration; the rest of them would help nobody.
const MAX_ERRORS: usize = 100;

/// Reads `text`, the contents of `base.paths.config_file`, over the settings in `base`.
pub(super) fn read(
    text: &str,
    base: Settings,
    environment: &Environment,
) -> Result<Settings, Vec<ConfigError>> {
    let file = base.paths.config_file.clone();
    let mut reader = Reader {
        file: &file,
        text,
        environment,
        draft: base.into(),
        given: BTreeMap::new(),
        unread: BTreeSet::new(),
        errors: Vec::new(),
    };
    reader.read_file();
    reader.read_variables();
    reader.apply_rules();
    reader.finish()
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    environment: &'a Environment,
    draft: Draft,
    /// Where each setting that is not at its default was given.
    given: BTreeMap<&'static str, Place>,
    /// The settings that were given, but not validly.
    unread: BTreeSet<&'static str>,
    errors: Vec<ConfigError>,
}

impl Reader<'_> {
    /// The parser goes on after an error of syntax, and so the rest of the file is judged, too. It makes
    /// something up for what it could not read: of such a line only the first error of syntax counts.
    fn read_file(&mut self) {
        let (table, mistakes) = DeTable::parse_recoverable(self.text);
        let mut unreadable = BTreeSet::new();
        for mistake in mistakes.iter().take(MAX_ERRORS) {
            let place = self.place(mistake.span().map_or(0, |span| span.start));
            if unreadable.insert(place.line()) {
                self.error(place, "TOML", mistake.message().to_owned());
            }
        }
        self.read_table(table.get_ref(), "");
        self.errors.retain(|error| error.key == "TOML" || !unreadable.contains(&error.place.line()));
    }

    fn read_table(&mut self, table: &DeTable<'_>, section: &str) {
        for (name, value) in table {
            if self.errors.len() >= MAX_ERRORS {
                return;
            }
            let key = join(section, name.get_ref());
            let is_section = SECTIONS.iter().any(|(known, _)| *known == key);
            match (value.get_ref(), setting(&key)) {
                (DeValue::Table(table), None) if is_section => self.read_table(table, &key),
                (given, Some(setting)) => {
                    let place = self.place(value.span().start);
                    let given = self.given_in_file(given);
                    self.read_setting(setting, place, given);
                }
                (_, None) if is_section => {
                    let place = self.place(name.span().start);
                    self.error(place, &key, format!("is a section: write [{key}], and its settings below"));
                }
                (_, None) => {
                    let place = self.place(name.span().start);
                    let meant = nearest(&key).map(str::to_owned);
                    self.error(place, &key, unknown(meant));
                }
            }
        }
    }

    fn given_in_file(&self, value: &DeValue<'_>) -> Result<Given, String> {
        Ok(match value {
            DeValue::Integer(number) => {
                Given::Integer(u32::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::String(text) => Given::Text(interpolate(text, self.environment)?),
            other => Given::Other(other.type_str()),
        })
    }

    /// What is more particular comes later, and wins.
    fn read_variables(&mut self) {
        for (variable, key) in OTHER_VARIABLES {
            self.read_variable(variable, setting(key).expect("the table has it"));
        }
        let environment = self.environment;
        for variable in environment.settings() {
            let key = key_of(variable);
            match setting(&key).filter(|setting| variable_of(setting.key) == variable) {
                Some(setting) => self.read_variable(variable, setting),
                None => {
                    let meant = nearest(&key).filter(|meant| setting(meant).is_some());
                    self.error(Place::Variable(variable.into()), &key, unknown(meant.map(variable_of)));
                }
            }
        }
    }

    fn read_variable(&mut self, variable: &str, setting: &'static Setting) {
        let given = match self.environment.text(variable) {
            Ok(None) => return,
            Ok(Some(text)) => Ok(Given::Variable(text.to_owned())),
            Err(NotText) => Err("is not UTF-8".to_owned()),
        };
        self.read_setting(setting, Place::Variable(variable.into()), given);
    }

    fn read_setting(&mut self, setting: &'static Setting, place: Place, given: Result<Given, String>) {
        match given.and_then(|given| setting.kind.read(&mut self.draft, given)) {
            Ok(()) => drop(self.given.insert(setting.key, place)),
            Err(why) => {
                self.unread.insert(setting.key);
                self.error(place, setting.key, why);
            }
        }
    }

    /// A rule's error stands at the first of its settings that was given. If all are at their defaults,
    /// it is the id-ranges file that does not agree with them.
    fn apply_rules(&mut self) {
        for rule in &RULES {
            if rule.keys.iter().any(|key| self.unread.contains(key)) {
                continue;
            }
            if let Err(why) = (rule.judge)(&self.draft) {
                let given = rule.keys.iter().find_map(|key| Some((*key, self.given.get(key)?.clone())));
                let ranges = || (rule.keys[0], Place::start_of(&self.draft.settings.paths.id_ranges));
                let (key, place) = given.unwrap_or_else(ranges);
                self.error(place, key, why);
            }
        }
    }

    fn finish(mut self) -> Result<Settings, Vec<ConfigError>> {
        if self.errors.is_empty() {
            return Ok(self.draft.finish());
        }
        self.errors.sort_by(|a, b| a.place.cmp(&b.place));
        Err(self.errors)
    }

    fn place(&self, offset: usize) -> Place {
        Place::in_text(self.file, self.text, offset)
    }

    fn error(&mut self, place: Place, key: &str, message: String) {
        self.errors.push(ConfigError { place, key: key.to_owned(), message });
    }
}

/// A key as it is shown. One that is not bare is quoted, as in TOML: it can be mistaken for no other.
fn join(section: &str, name: &str) -> String {
    let is_bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let name = if is_bare { name.to_owned() } else { format!("{name:?}") };
    if section.is_empty() { name } else { format!("{section}.{name}") }
}

fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

fn unknown(meant: Option<String>) -> String {
    match meant {
        Some(meant) => format!("is not a setting; did you mean {meant}?"),
        None => "is not a setting of this version; see pody.toml(5), or remove it".into(),
    }
}
