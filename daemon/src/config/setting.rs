//! What a setting and a section are, and how they are found by name. Which ones there are is said in `table.rs`.

use super::draft::Draft;
use super::environment::snake_case;
use super::settings::Settings;
use super::table::{SECTIONS, settings};
use super::value::Kind;

/// A setting.
pub struct Setting {
    /// Its section and name, such as `auth.lockout.first_wait`.
    pub key: &'static str,
    /// What it is for; sentences of plain text.
    pub doc: &'static str,
    /// A value to show where there is no default.
    pub example: Option<&'static str>,
    /// Whether `systemctl reload` applies it; otherwise it waits for a restart.
    pub reloads: bool,
    pub(super) kind: Kind,
    /// The setting that has the same value: it can be given here, too.
    pub(super) same_as: Option<&'static str>,
    /// Whether the value is what a file holds, and only the file's name is given.
    pub(super) in_file: bool,
}

/// A table of settings.
pub struct Section {
    /// Its name, such as `auth.lockout`.
    pub key: &'static str,
    /// What it is about; sentences of plain text.
    pub about: &'static str,
    /// Another name of it.
    pub(super) also: Option<&'static str>,
    /// Where there may be any number of such tables: how each begins, and whether it is whole.
    pub(super) repeats: Option<Repeats>,
}

/// A table of which there may be several, such as `[[quota.filesystem]]`.
#[derive(Clone, Copy)]
pub(super) struct Repeats {
    /// Makes room for one more: its settings are those of the last one.
    pub(super) begin: fn(&mut Draft) -> Result<(), String>,
    /// Whether the last one is whole; if not, a sentence that says why.
    pub(super) judge: fn(&Draft) -> Result<(), String>,
}

pub(super) const fn section(key: &'static str, about: &'static str) -> Section {
    Section { key, about, also: None, repeats: None }
}

pub(super) const fn setting(key: &'static str, kind: Kind, doc: &'static str) -> Setting {
    Setting { key, doc, example: None, reloads: true, kind, same_as: None, in_file: false }
}

impl Setting {
    pub(super) const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    pub(super) const fn after_a_restart(self) -> Self {
        Self { reloads: false, ..self }
    }

    pub(super) const fn same_as(self, key: &'static str) -> Self {
        Self { same_as: Some(key), ..self }
    }

    pub(super) const fn in_file_of(self, key: &'static str) -> Self {
        Self { in_file: true, ..self.same_as(key).after_a_restart() }
    }

    pub(super) const fn reloading(self) -> Self {
        Self { reloads: true, ..self }
    }

    /// Its section and its name in there.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.key.rsplit_once('.').expect("every setting stands in a section")
    }

    /// Whether there may be several tables with it: then it has no place in the environment, and no one value.
    pub(super) fn repeats(&self) -> bool {
        section_of(self.parts().0).is_some_and(|section| section.repeats.is_some())
    }

    /// Its value in these settings, as TOML.
    pub(super) fn show(&self, settings: &Settings) -> Option<String> {
        self.kind.show(&mut settings.clone().into())
    }
}

/// The section of this name.
pub(super) fn section_of(key: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.key == key || section.also == Some(key))
}

/// The setting of this name, in any spelling of it.
pub(super) fn setting_of(key: &str) -> Option<&'static Setting> {
    let (parent, given) = key.rsplit_once('.')?;
    let section = section_of(parent)?;
    settings().find(|setting| {
        let (parent, name) = setting.parts();
        parent == section.key && (name == given || snake_case(name) == given)
    })
}
