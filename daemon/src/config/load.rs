//! Where configuration comes from: the files, which are read here and nowhere else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use identity::IdRange;

use super::backend::Backend;
use super::environment::Environment;
use super::error::{ConfigError, Place};
use super::id_ranges;
use super::read::{self, Reading};
use super::root_owned;
use super::secret::Secret;
use super::secret_file::MAX_SECRET_BYTES;
use super::settings::{Ids, Paths, Settings};

/// More than a thousand times what a configuration needs; whatever is larger is another file.
const MAX_CONFIG_BYTES: usize = 1024 * 1024;

/// What podyd-helper reads of the configuration.
const HELPER_SECTIONS: &[&str] = &["ids", "homes", "quota"];

/// What `podyd --check` tells of a configuration that has no mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The file that was read, or would have been.
    pub config_file: PathBuf,
    /// What has no effect, and which files of secrets could not be checked.
    pub notes: Vec<String>,
}

/// Reads the configuration: `config_file`, which must then exist, or else the usual file, if there is
/// one; the id-ranges file; the files of secrets; and the environment. The errors are all that is wrong.
pub fn load(config_file: Option<&Path>, environment: &Environment) -> Result<Settings, Vec<ConfigError>> {
    read_all(config_file, environment).and_then(complete)
}

/// The same for somebody who only asks, and who need not be allowed to read secrets.
pub fn check(config_file: Option<&Path>, environment: &Environment) -> Result<Checked, Vec<ConfigError>> {
    let Reading { settings, unreadable } = read_all(config_file, environment)?;
    let notes = unreadable.iter().map(ConfigError::to_string).chain(settings.warnings()).collect();
    Ok(Checked { config_file: settings.paths.config_file, notes })
}

/// Reads the text of a configuration file and the environment, and no file: the same as [`load`] on a
/// node that has nothing else. A secret in a file is an error.
pub fn parse_str(text: &str, environment: &Environment) -> Result<Settings, Vec<ConfigError>> {
    let paths = Paths::from_environment(environment).map_err(|error| vec![error])?;
    let base = Settings { paths, ..Settings::default() };
    read::read(text, base, environment, &|_| Err(ErrorKind::Unsupported.into())).and_then(complete)
}

/// The backend that another configuration names, whose text somebody else has read from `file`. What the environment says
/// of this node's own settings is not about that one.
pub fn backend_of(
    text: &str,
    file: PathBuf,
    own: &Settings,
    environment: &Environment,
) -> Result<Backend, Vec<ConfigError>> {
    let paths = Paths { config_file: file, ..own.paths.clone() };
    let ids = Ids { accept: own.ids.accept.clone(), ..Ids::default() };
    let base = Settings { paths, ids, ..Settings::default() };
    let reading = read::read(text, base, &environment.without_settings(), &read_secret)?;
    complete(reading).map(|settings| settings.backend)
}

/// Reads what podyd-helper goes by: its own sections of the file, and the ids. Nothing counts here that anybody but root may
/// have written, and what is only podyd's, such as its secrets, is not looked at.
pub fn load_for_helper(paths: Paths) -> Result<Settings, Vec<ConfigError>> {
    for file in [&paths.config_file, &paths.id_ranges] {
        let directory = file.parent().unwrap_or(Path::new("/"));
        root_owned::check_directory(directory)
            .map_err(|why| vec![ConfigError::about_file(directory, why)])?;
    }
    let accept = accepted_ids(&paths.id_ranges, root_owned::open)?;
    let text = read_file(&paths.config_file, MAX_CONFIG_BYTES, root_owned::open);
    let text = text.map_err(|error| vec![error])?.unwrap_or_default();
    let base = Settings { paths, ids: Ids { accept, ..Ids::default() }, ..Settings::default() };
    read::read_sections(&text, base, HELPER_SECTIONS).and_then(complete)
}

/// The settings of this node if its configuration were this text, and these files held these secrets.
pub fn candidate(
    text: &str,
    secrets: &BTreeMap<PathBuf, Secret>,
    own: &Settings,
    environment: &Environment,
) -> Result<Settings, Vec<ConfigError>> {
    let ids = Ids { accept: own.ids.accept.clone(), ..Ids::default() };
    let base = Settings { paths: own.paths.clone(), ids, ..Settings::default() };
    let secret = |path: &Path| match secrets.get(path) {
        Some(secret) => Ok(secret.expose().as_bytes().to_owned()),
        None => read_secret(path),
    };
    read::read(text, base, environment, &secret).and_then(complete)
}

fn read_all(config_file: Option<&Path>, environment: &Environment) -> Result<Reading, Vec<ConfigError>> {
    let mut paths = Paths::from_environment(environment).map_err(|error| vec![error])?;
    if let Some(file) = config_file {
        paths.config_file = file.to_owned();
    }
    let (accept, mut errors) = match accepted_ids(&paths.id_ranges, open_any) {
        Ok(accept) => (accept, Vec::new()),
        Err(errors) => (Ids::default().accept, errors),
    };
    let text = match read_file(&paths.config_file, MAX_CONFIG_BYTES, open_any) {
        Ok(Some(text)) => Ok(text),
        Ok(None) if config_file.is_none() => Ok(String::new()),
        Ok(None) => Err(ConfigError::about_file(&paths.config_file, "does not exist")),
        Err(error) => Err(error),
    };
    let base = Settings { paths, ids: Ids { accept, ..Ids::default() }, ..Settings::default() };
    let settings = text.map_err(|error| vec![error]);
    match settings.and_then(|text| read::read(&text, base, environment, &read_secret)) {
        Ok(reading) if errors.is_empty() => Ok(reading),
        Ok(_) => Err(errors),
        Err(more) => {
            errors.extend(more);
            Err(errors)
        }
    }
}

/// podyd itself cannot do without a secret.
fn complete(reading: Reading) -> Result<Settings, Vec<ConfigError>> {
    if reading.unreadable.is_empty() { Ok(reading.settings) } else { Err(reading.unreadable) }
}

impl Paths {
    /// The usual paths, or those under `PODY_HOME`.
    fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.get("PODY_HOME").map(PathBuf::from) {
            None => Ok(Self::default()),
            Some(home) if home.is_absolute() => Ok(Self::under(&home)),
            Some(_) => Err(ConfigError {
                place: Place::Variable("PODY_HOME".into()),
                key: "paths".into(),
                message: "must be an absolute path, such as /srv/pody; unset it for the usual paths".into(),
            }),
        }
    }

    /// Everything below one directory: what `PODY_HOME` asks for.
    pub fn under(home: &Path) -> Self {
        Self {
            config_file: home.join("config.toml"),
            id_ranges: home.join("id-ranges"),
            state: home.join("state"),
            cache: home.join("cache"),
            run: home.join("run"),
            helper: home.join("helper"),
        }
    }
}

fn accepted_ids(file: &Path, open: Open) -> Result<Vec<IdRange>, Vec<ConfigError>> {
    match read_file(file, id_ranges::MAX_BYTES, open).map_err(|error| vec![error])? {
        Some(text) => id_ranges::parse(&text, file),
        None => Ok(Ids::default().accept),
    }
}

/// A file's text; `None` if there is no such file.
fn read_file(file: &Path, limit: usize, open: Open) -> Result<Option<String>, ConfigError> {
    let bytes = match open(file).and_then(|opened| read_opened(opened, limit + 1)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConfigError::about_file(file, format!("cannot be read: {error}"))),
    };
    if bytes.len() > limit {
        return Err(ConfigError::about_file(
            file,
            format!("has more than {limit} bytes; is it the right file?"),
        ));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let place = Place::in_text(file, &valid, valid.len());
        ConfigError {
            place,
            key: "file".into(),
            message: "is not UTF-8 from here on; save it as UTF-8".into(),
        }
    })
}

fn read_secret(file: &Path) -> io::Result<Vec<u8>> {
    read_bytes(file, MAX_SECRET_BYTES + 1)
}

fn read_bytes(file: &Path, limit: usize) -> io::Result<Vec<u8>> {
    read_opened(File::open(file)?, limit)
}

fn read_opened(file: File, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How a file is opened: whosever it is, or root's alone.
type Open = fn(&Path) -> io::Result<File>;

fn open_any(file: &Path) -> io::Result<File> {
    File::open(file)
}
