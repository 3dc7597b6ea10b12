//! From the text of a configuration file and the environment to [`Settings`], collecting everything
//! that is wrong on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::ConfigError;
use super::backends::{is_backend, is_compiled_in, not_one};
use super::draft::{Draft, RULES};
use super::environment::{Environment, NotText, key_of, variable_of};
use super::error::Place;
use super::interpolate::interpolate;
use super::secret_file::{self, ReadFile, Trouble};
use super::setting::{Section, Setting, section_of, setting_of};
use super::settings::Settings;
use super::suggest::nearest;
use super::table::OTHER_VARIABLES;
use super::value::{Given, text};

/// A file with more errors than this is no configuration; the rest of them would help nobody.
const MAX_ERRORS: usize = 100;

const BACKEND: &str = "backend";

/// The section that variables of its own take the place of as a whole: half of one provider and half of another would send
/// the secret of one to the other.
const OIDC: &str = "oidc";

/// A configuration without mistakes.
pub(super) struct Reading {
    /// What it says.
    pub(super) settings: Settings,
    /// The files of secrets that the caller may not read, which is not to say that podyd may not. What
    /// they hold is missing in the settings.
    pub(super) unreadable: Vec<ConfigError>,
}

/// Reads `text`, the contents of `base.paths.config_file`, over the settings in `base`.
pub(super) fn read(
    text: &str,
    base: Settings,
    environment: &Environment,
    read_file: ReadFile<'_>,
) -> Result<Reading, Vec<ConfigError>> {
    read_some(text, base, environment, read_file, None)
}

/// The same for these sections alone, as if the text had no others and there were no environment.
pub(super) fn read_sections(
    text: &str,
    base: Settings,
    sections: &'static [&'static str],
) -> Result<Reading, Vec<ConfigError>> {
    let no_file = |_: &Path| Err(ErrorKind::Unsupported.into());
    read_some(text, base, &Environment::default(), &no_file, Some(sections))
}

fn read_some(
    text: &str,
    base: Settings,
    environment: &Environment,
    read_file: ReadFile<'_>,
    sections: Option<&'static [&'static str]>,
) -> Result<Reading, Vec<ConfigError>> {
    let file = base.paths.config_file.clone();
    let mut reader = Reader {
        file: &file,
        text,
        environment,
        read_file,
        sections,
        draft: base.into(),
        given: BTreeMap::new(),
        given_here: BTreeMap::new(),
        unread: BTreeSet::new(),
        backends: BTreeMap::new(),
        unreadable: Vec::new(),
        errors: Vec::new(),
    };
    reader.draft.settings.oidc.from_environment =
        OTHER_VARIABLES.iter().any(|(variable, key)| key.starts_with("oidc.") && environment.says(variable));
    reader.read_file();
    reader.read_variables();
    reader.apply_rules();
    reader.judge_backends();
    reader.finish()
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    environment: &'a Environment,
    read_file: ReadFile<'a>,
    /// The sections that are read; none: all.
    sections: Option<&'static [&'static str]>,
    draft: Draft,
    /// Where each setting that is not at its default was given.
    given: BTreeMap<&'static str, Place>,
    /// The same for the file, or for the environment, alone, and by which of its names: a setting of many
    /// spellings is given once all the same.
    given_here: BTreeMap<&'static str, (&'static Setting, Place)>,
    /// The settings that were given, but not validly.
    unread: BTreeSet<&'static str>,
    /// The tables of backends, and where each was chosen.
    backends: BTreeMap<&'static str, Place>,
    unreadable: Vec<ConfigError>,
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
        for (name, value) in in_order(table) {
            if self.errors.len() >= MAX_ERRORS {
                return;
            }
            let key = join(section, name.get_ref());
            if section.is_empty() && self.sections.is_some_and(|read| !read.contains(&key.as_str())) {
                continue;
            }
            let place = self.place(name.span().start);
            match (value.get_ref(), setting_of(&key), section_of(&key)) {
                (DeValue::Array(tables), None, Some(section)) if section.repeats.is_some() => {
                    self.read_tables(section, tables);
                }
                (DeValue::Table(_), None, Some(Section { key, repeats: Some(_), .. })) => {
                    self.error(place, key, format!("may stand here several times: write [[{key}]]"));
                }
                (DeValue::Table(table), None, Some(section)) => self.read_section(section, table, place),
                (_, Some(setting), _) if self.is_overruled(setting) => {}
                (given, Some(setting), _) => {
                    let place = self.place(value.span().start);
                    let given = self.given_in_file(given);
                    self.read_setting(setting, place, given);
                }
                (_, None, Some(Section { key, .. })) => {
                    self.error(place, key, format!("is a section: write [{key}], and its settings below"));
                }
                (_, None, None) => {
                    let meant = nearest(&key).map(str::to_owned);
                    self.error(place, &key, unknown(meant));
                }
            }
        }
    }

    fn read_section(&mut self, section: &'static Section, table: &DeTable<'_>, place: Place) {
        if is_backend(section.key) {
            self.backends.insert(section.key, place);
        } else if section.key == BACKEND {
            let chosen = in_order(table).map(|(name, _)| (join(BACKEND, name.get_ref()), name.span().start));
            let chosen: Vec<_> = chosen.filter(|(key, _)| section_of(key).is_some()).collect();
            if chosen.len() > 1 || table.is_empty() {
                let tables: Vec<&str> = chosen.iter().map(|(key, _)| key.as_str()).collect();
                let place = chosen.get(1).map_or(place, |(_, start)| self.place(*start));
                return self.error(place, BACKEND, not_one(&tables));
            }
        }
        self.read_table(table, section.key);
    }

    /// Each of several tables of the same settings.
    fn read_tables(&mut self, section: &'static Section, tables: &DeArray<'_>) {
        let repeats = section.repeats.expect("it was asked for");
        for table in tables.iter() {
            let place = self.place(table.span().start);
            let DeValue::Table(settings) = table.get_ref() else {
                return self.error(place, section.key, format!("is a table: write [[{}]]", section.key));
            };
            if let Err(why) = (repeats.begin)(&mut self.draft) {
                return self.error(place, section.key, why);
            }
            // What was said in the last one is not said again here.
            self.given_here.retain(|_, (setting, _)| setting.parts().0 != section.key);
            let errors = self.errors.len();
            self.read_table(settings, section.key);
            if let (true, Err(why)) = (self.errors.len() == errors, (repeats.judge)(&self.draft)) {
                self.error(place, section.key, why);
            }
        }
    }

    fn given_in_file(&self, value: &DeValue<'_>) -> Result<Given, String> {
        Ok(match value {
            DeValue::Integer(number) => {
                Given::Integer(u32::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Boolean(flag) => Given::Flag(*flag),
            DeValue::String(text) => Given::Text(interpolate(text, self.environment)?),
            DeValue::Array(values) => match values.iter().map(|value| value.get_ref().as_str()).collect() {
                Some(texts) => Given::List(self.interpolated(texts)?),
                None => Given::Other("array"),
            },
            other => Given::Other(other.type_str()),
        })
    }

    fn interpolated(&self, texts: Vec<&str>) -> Result<Vec<String>, String> {
        texts.into_iter().map(|text| interpolate(text, self.environment)).collect()
    }

    /// What is more particular comes later, and wins.
    fn read_variables(&mut self) {
        self.given_here.clear();
        for (variable, key) in OTHER_VARIABLES {
            let setting = setting_of(key).expect("the table has it");
            if setting.parts().0 != OIDC || self.environment.says(variable) {
                self.read_variable(variable, setting);
            }
        }
        self.given_here.clear();
        let environment = self.environment;
        for variable in environment.settings() {
            let key = key_of(variable);
            match setting_of(&key).filter(|setting| variable_of(&key) == variable && !setting.repeats()) {
                Some(setting) => self.read_variable(variable, setting),
                None => {
                    let meant = nearest(&key).filter(|meant| setting_of(meant).is_some());
                    self.error(Place::Variable(variable.into()), &key, unknown(meant.map(variable_of)));
                }
            }
        }
    }

    fn is_overruled(&self, setting: &Setting) -> bool {
        self.draft.settings.oidc.from_environment && setting.parts().0 == OIDC
    }

    fn read_variable(&mut self, variable: &str, setting: &'static Setting) {
        let given = match self.environment.text(variable) {
            Ok(None) => return,
            Ok(Some(text)) => Ok(Given::Variable(text.to_owned())),
            Err(NotText) => Err("is not UTF-8".to_owned()),
        };
        let place = Place::Variable(variable.into());
        let (section, _) = setting.parts();
        if is_backend(section) {
            self.backends.entry(section).or_insert_with(|| place.clone());
        }
        self.read_setting(setting, place, given);
    }

    fn read_setting(&mut self, setting: &'static Setting, place: Place, given: Result<Given, String>) {
        let key = setting.same_as.unwrap_or(setting.key);
        let before = setting.kind.show(&mut self.draft);
        let given = given.map_err(Trouble::Wrong).and_then(|given| self.contents(setting, given));
        match given.and_then(|given| setting.kind.read(&mut self.draft, given).map_err(Trouble::Wrong)) {
            Ok(()) => drop(self.given.insert(key, place.clone())),
            Err(trouble) => {
                self.unread.insert(key);
                self.complain(place.clone(), setting.key, trouble);
            }
        }
        if let Some((other, first)) = self.given_here.insert(key, (setting, place.clone())) {
            let agrees = before.is_some() && before == setting.kind.show(&mut self.draft);
            if other.key == setting.key || !agrees {
                let why =
                    format!("says again, or otherwise, what {} at {first} says; keep one of them", other.key);
                self.error(place, setting.key, why);
            }
        }
    }

    /// The value itself: what was given or, where that is the name of a file, what the file holds.
    fn contents(&self, setting: &Setting, given: Given) -> Result<Given, Trouble> {
        if !setting.in_file {
            return Ok(given);
        }
        let name = text(given).map_err(Trouble::Wrong)?;
        secret_file::read(&name, self.environment, self.read_file).map(Given::Text)
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

    /// One backend is chosen at the most, in the file and the environment together, and it can be used.
    fn judge_backends(&mut self) {
        let mut chosen: Vec<_> = self.backends.iter().map(|(table, place)| (place.clone(), *table)).collect();
        chosen.sort();
        if let [(place, table)] = chosen.as_slice() {
            if let Err(why) = self.judge_backend(table) {
                self.error(place.clone(), table, why);
            }
            if self.draft.backends.remote.enabled {
                let why = "cannot be used beside [remote_user_profile.provider], which is enabled: a node has its users either \
                     from a database or from another node; remove one of them"
                    .to_owned();
                self.error(place.clone(), table, why);
            }
        } else if let Some((place, _)) = chosen.last() {
            let tables: Vec<&str> = chosen.iter().map(|(_, table)| *table).collect();
            self.error(place.clone(), BACKEND, not_one(&tables));
        }
    }

    fn judge_backend(&self, table: &str) -> Result<(), String> {
        is_compiled_in(table)?;
        let url = format!("{table}.url");
        if self.given.contains_key(url.as_str()) || self.unread.contains(url.as_str()) {
            return Ok(());
        }
        Err("lacks its url, which says where the database is; or give urlFile, a file that holds it".into())
    }

    fn finish(mut self) -> Result<Reading, Vec<ConfigError>> {
        if self.errors.is_empty() {
            let backend = self.backends.keys().next().copied();
            return Ok(Reading { settings: self.draft.finish(backend), unreadable: self.unreadable });
        }
        self.errors.append(&mut self.unreadable);
        self.errors.sort_by(|a, b| a.place.cmp(&b.place));
        Err(self.errors)
    }

    fn place(&self, offset: usize) -> Place {
        Place::in_text(self.file, self.text, offset)
    }

    fn error(&mut self, place: Place, key: &str, message: String) {
        self.complain(place, key, Trouble::Wrong(message));
    }

    fn complain(&mut self, place: Place, key: &str, trouble: Trouble) {
        let (list, message) = match trouble {
            Trouble::Wrong(message) => (&mut self.errors, message),
            Trouble::Unreadable(message) => (&mut self.unreadable, message),
        };
        list.push(ConfigError { place, key: key.to_owned(), message });
    }
}

/// The names in the order of the file: what repeats another is the later one.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> impl Iterator<Item = (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries.into_iter()
}

/// A key as it is shown. One that is not bare is quoted, as in TOML: it can be mistaken for no other.
fn join(section: &str, name: &str) -> String {
    let is_bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let name = if is_bare { name.to_owned() } else { format!("{name:?}") };
    if section.is_empty() { name } else { format!("{section}.{name}") }
}

fn unknown(meant: Option<String>) -> String {
    match meant {
        Some(meant) => format!("is not a setting; did you mean {meant}?"),
        None => "is not a setting of this version; see pody.toml(5), or remove it".into(),
    }
}
